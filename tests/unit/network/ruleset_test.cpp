// ruleset_test.cpp - the whole firewall against data/*.json, and its meaning in words. tests/netns loads and tries it.
#include "network/plan/ruleset.hpp"

#include <doctest/doctest.h>

#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "network/plan/subnet.hpp"
#include "tests/unit/has.hpp"
#include "tests/unit/places.hpp"

namespace agentvm::network {

namespace {

/// AGENTVM_TEST_ACCEPT=1 rewrites the file, and the test fails all the same: a run that accepts proves nothing.
void check_golden_rules(const std::string& name, const nlohmann::json& rules) {
  const std::string path = std::string(test::data_directory) + "/network/data/" + name;
  const std::string actual = rules.dump(1) + "\n";
  if (std::getenv("AGENTVM_TEST_ACCEPT") != nullptr) {
    std::ofstream(path, std::ios::binary) << actual;
    FAIL_CHECK("rewritten, not compared: " << name);
    return;
  }
  std::ostringstream expected;
  expected << std::ifstream(path, std::ios::binary).rdbuf();
  CAPTURE(name);
  CHECK_MESSAGE(actual == expected.str(), "differs from the golden file; AGENTVM_TEST_ACCEPT=1 rewrites it");
}

}  // namespace

TEST_CASE("golden firewall") {
  Network network = make_network("microbr", default_subnet);
  const Lease lease = plan_lease(network, "my-app", {}, {});
  check_golden_rules("ruleset.json", ruleset_of(network));
  check_golden_rules("admit.json", admit(lease));
  check_golden_rules("dismiss.json", dismiss(lease));
  check_golden_rules("no_ruleset.json", no_ruleset());
  network.standing_links = {"eth0", "wlan0"};
  network.forwarding_links = {"wlan0"};
  network.accept_redirects = true;
  check_golden_rules("ruleset_standing.json", ruleset_of(network));
  check_golden_rules("standing_ruleset.json", standing_ruleset(network));
}

TEST_CASE("the firewall in words") {
  Network network = make_network("br7", default_subnet);
  const auto lines = describe_rules(network);
  REQUIRE(lines.size() == 7);
  CHECK(test::has(lines[0], "br7 (192.168.83.0/24)"));
  CHECK(test::has(lines[2], "DNS at 192.168.83.1"));
  CHECK(test::has(lines[4], "MSS"));
  CHECK(test::has(lines[5], "at most 4096 flows"));
  network.standing_links = {"eth0"};
  CHECK(test::has(describe_rules(network).back(), "IPv4 forwarding was off"));
}

}  // namespace agentvm::network
