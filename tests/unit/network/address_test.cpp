// address_test.cpp - addresses are read strictly and written as everybody writes them.
#include "network/plan/address.hpp"

#include <doctest/doctest.h>

namespace agentvm::network {

TEST_CASE("addresses come back as they were written") {
  for (const char* text : {"0.0.0.0", "10.0.0.1", "192.168.83.254", "255.255.255.255"}) {
    const auto address = parse_ipv4(text);
    REQUIRE(address);
    CHECK(format(*address) == text);
  }
  for (const char* text : {"0.0.0.0/0", "10.0.0.0/8", "192.168.83.0/24", "10.1.2.3/32"}) {
    const auto prefix = parse_prefix(text);
    REQUIRE(prefix);
    CHECK(format(*prefix) == text);
  }
  const auto mac = parse_mac("02:00:aB:cd:ef:01");
  REQUIRE(mac);
  CHECK(format(*mac) == "02:00:ab:cd:ef:01");
}

TEST_CASE("what is not an address is refused") {
  for (const char* text :
       {"", "1.2.3", "1.2.3.4.5", "1.2.3.256", "01.2.3.4", " 1.2.3.4", "1.2.3.4 ", "1..2.3", "-1.2.3.4"}) {
    CHECK_FALSE(parse_ipv4(text));
  }
  for (const char* text : {"10.0.0.0", "10.0.0.0/", "10.0.0.0/33", "10.0.0.1/8", "10.0.0.0/08", "/8"}) {
    CHECK_FALSE(parse_prefix(text));
  }
  for (const char* text : {"", "02:00:00:00:00", "02:00:00:00:00:0g", "02-00-00-00-00-01", "02:00:00:00:00:001"}) {
    CHECK_FALSE(parse_mac(text));
  }
}

TEST_CASE("prefixes hold and overlap") {
  const Prefix ten{{0x0a000000}, 8};
  CHECK(ten.contains({0x0affffff}));
  CHECK_FALSE(ten.contains({0x0b000000}));
  CHECK(ten.overlaps(Prefix{{0x0a010000}, 16}));
  CHECK(Prefix{{0x0a010000}, 16}.overlaps(ten));
  CHECK_FALSE(ten.overlaps(Prefix{{0x0b000000}, 8}));
  CHECK(Prefix{{0}, 0}.overlaps(ten));
}

}  // namespace agentvm::network
