// claim_test.cpp - which agentvm-poold is asked.
#include "launcher/claim/claim.hpp"

#include <doctest/doctest.h>
#include <stdlib.h>

#include "base/unix_socket.hpp"
#include "tests/unit/state/scratch.hpp"

namespace agentvm::pool {

TEST_SUITE("claim/claim") {
  TEST_CASE("the user's own poold is asked while it lives and else the system's") {
    REQUIRE(getenv("AGENTVM_POOL_SOCKET") == nullptr);
    const test::Scratch directory;
    const state::Roots roots{directory.path(), directory.path(), directory.path()};
    CHECK(pool_socket(roots) == system_socket);
    {
      const UniqueFd listener = listen_unix(own_socket(roots));
      CHECK(pool_socket(roots) == own_socket(roots));
    }
    CHECK(pool_socket(roots) == system_socket);  // what a killed one leaves
    setenv("AGENTVM_POOL_SOCKET", "/given", 1);
    CHECK(pool_socket(roots) == "/given");
    unsetenv("AGENTVM_POOL_SOCKET");
  }
}

}  // namespace agentvm::pool
