// host_keepers_test.cpp - the names of pooled VMs say which pool they are of.
#include "launcher/pool/host_keepers.hpp"

#include <doctest/doctest.h>

#include "launcher/state/vm_name.hpp"

namespace agentvm::pool {

TEST_SUITE("pool/host_keepers") {
  TEST_CASE("a new VM's name leads back to its pool") {
    for (const char* pool : {"rust", "a-b", "abcdefghijklmnopqrstuvwx", "pool-x-0123ab"}) {
      const std::string name = new_member_name(pool);
      CAPTURE(name);
      CHECK(state::valid_name(name));
      CHECK(pool_of_member(name) == pool);
      CHECK(new_member_name(pool) != name);
    }
  }

  TEST_CASE("other VMs are of no pool") {
    for (const char* name :
         {"", "rust", "pool-", "pool-012345", "pool-a-01234", "pool-a-01234g", "pool-a_012345", "xpool-a-012345"}) {
      CAPTURE(name);
      CHECK(pool_of_member(name) == "");
    }
  }
}

}  // namespace agentvm::pool
