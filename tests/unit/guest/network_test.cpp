// network_test.cpp - the guest's card is found by its MAC. Its settings are tried in a real guest (tests/netns).
#include "guest/network.hpp"

#include <doctest/doctest.h>

#include "base/file.hpp"
#include "tests/unit/guest/temporary_directory.hpp"

namespace agentvm::guest {

TEST_CASE("the card is the one with the MAC whatever its name") {
  const TemporaryDirectory links;
  for (const auto& [name, address] : {std::pair("lo", "00:00:00:00:00:00\n"), std::pair("eth0", "02:00:00:00:00:02\n"),
                                      std::pair("ens3", "02:00:00:00:00:01\n")}) {
    make_directories(links.path() + "/" + name);
    write_file_atomic(links.path() + "/" + name + "/address", address);
  }
  CHECK(find_card(links.path(), "02:00:00:00:00:01") == "ens3");
  CHECK(find_card(links.path(), "02:00:00:00:00:02") == "eth0");
  CHECK(find_card(links.path(), "02:00:00:00:00:0").empty());
  CHECK(find_card(links.path() + "/nowhere", "02:00:00:00:00:01").empty());
}

}  // namespace agentvm::guest
