// subnet_test.cpp - another network or bridge than usual is taken only when it must be, and said.
#include "network/plan/subnet.hpp"

#include <doctest/doctest.h>

#include "base/error.hpp"

namespace agentvm::network {

namespace {
UsedPrefix used_by(const char* prefix, const char* where) {
  return {parse_prefix(prefix).value(), where};
}
}  // namespace

TEST_CASE("the usual subnet unless it is in use") {
  CHECK(choose_subnet(default_subnet, {}).note.empty());
  CHECK(choose_subnet(default_subnet, {used_by("192.168.84.0/24", "an address of eth0")}).subnet == default_subnet);
  const SubnetChoice choice = choose_subnet(default_subnet, {used_by("192.168.0.0/16", "the route over tun0"),
                                                             used_by("172.16.0.0/12", "an address of eth0")});
  CHECK(format(choice.subnet) == "10.83.83.0/24");
  CHECK(choice.note ==
        "The guests' network is 10.83.83.0/24, for 192.168.83.0/24 is in use on this host (192.168.0.0/16, the route "
        "over tun0).");
}

TEST_CASE("no subnet is free") {
  CHECK_THROWS_WITH_AS(
      choose_subnet(default_subnet,
                    {used_by("10.0.0.0/8", "vpn"), used_by("172.16.0.0/12", "lan"), used_by("192.168.0.0/16", "x")}),
      "no network is free for the guests: 192.168.83.0/24 and 6 others overlap with addresses or routes of this host "
      "(192.168.0.0/16 is x)",
      Error);
}

TEST_CASE("a subnet that cannot be the guests'") {
  for (const char* subnet : {"8.8.8.0/24", "10.0.0.0/8", "192.168.83.0/29", "0.0.0.0/0", "172.32.0.0/24"}) {
    CHECK_THROWS_AS(choose_subnet(parse_prefix(subnet).value(), {}), Error);
  }
}

TEST_CASE("a bridge of somebody else is left alone") {
  CHECK(choose_bridge("microbr", {"lo", "eth0"}).name == "microbr");
  const BridgeChoice choice = choose_bridge("microbr", {"microbr", "microbr1"});
  CHECK(choice.name == "microbr2");
  CHECK(choice.note == "The bridge is microbr2, for there is an interface microbr that agentvm did not make.");
  for (const char* name : {"", "a/b", "with space", "fifteen-letters"}) CHECK_THROWS_AS(choose_bridge(name, {}), Error);
}

}  // namespace agentvm::network
