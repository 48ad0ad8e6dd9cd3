// lease_test.cpp - leases are stable from a name, and no two are alike.
#include "network/plan/lease.hpp"

#include <doctest/doctest.h>

#include <set>

#include "base/error.hpp"
#include "network/plan/subnet.hpp"
#include "tests/unit/has.hpp"

namespace agentvm::network {

TEST_CASE("the same name gets the same lease") {
  const Network network = make_network("microbr", default_subnet);
  const Lease lease = plan_lease(network, "my-app", {}, {});
  CHECK(plan_lease(network, "my-app", {}, {}) == lease);
  // These values are kept by every later version: firewalls and logs of users know them.
  CHECK(lease.tap == "avm-my-app-81ed");
  CHECK(format(lease.mac) == "02:31:71:a1:96:ca");
  CHECK(format(lease.address) == "192.168.83.72");
  CHECK(format(network.bridge_mac) == "02:06:39:15:9e:cf");
  CHECK(format(network.gateway) == "192.168.83.1");
}

TEST_CASE("leases of one network differ in everything up to the last address") {
  const Network network = make_network("microbr", {{0xc0a85300}, 26});
  std::vector<Lease> leases;
  std::set<std::string> taps;
  std::set<Mac> macs{network.bridge_mac};
  std::set<Ipv4> addresses;
  for (int i = 0; i < 61; ++i) {
    // Two users may use one name.
    leases.push_back(plan_lease(network, i % 2 == 0 ? "same" : "vm-" + std::to_string(i), leases, {}));
    const Lease& lease = leases.back();
    CHECK(taps.insert(lease.tap).second);
    CHECK(macs.insert(lease.mac).second);
    CHECK(addresses.insert(lease.address).second);
    CHECK(network.subnet.contains(lease.address));
    CHECK(lease.address > network.gateway);
    CHECK(lease.address.value < 0xc0a8533f);  // the broadcast address
    CHECK((lease.mac.bytes[0] & 3) == 2);
    CHECK(lease.tap.size() <= longest_link_name);
  }
  CHECK_THROWS_WITH_AS(plan_lease(network, "one-more", leases, {}), "all 61 addresses of 192.168.83.0/26 are leased",
                       Error);
}

TEST_CASE("a tap never takes a name that a link has") {
  const Network network = make_network("microbr", default_subnet);
  const std::string usual = plan_lease(network, "a", {}, {}).tap;
  CHECK(usual.starts_with("avm-a-"));
  const std::string other = plan_lease(network, "a", {}, {"lo", usual}).tap;
  CHECK(other.starts_with("avm-a-"));
  CHECK(other != usual);
  CHECK(plan_lease(network, "a-very-long-name-of-forty-one-characters-", {}, {}).tap.size() == longest_link_name);
}

TEST_CASE("only names of VMs get leases") {
  const Network network = make_network("microbr", default_subnet);
  for (const char* name : {"", "-a", "A", "a/b", "a b", "../x", "a\n", "a-very-long-name-of-forty-two-characters-x"}) {
    CHECK_THROWS_AS(plan_lease(network, name, {}, {}), Error);
  }
}

TEST_CASE("marks") {
  CHECK(is_own_alias("agentvm"));
  CHECK(is_own_alias(tap_alias("my-app")));
  for (const char* alias : {"", "agent", "agentvm2", "my agentvm", "agentvm-like"}) CHECK_FALSE(is_own_alias(alias));
}

}  // namespace agentvm::network
