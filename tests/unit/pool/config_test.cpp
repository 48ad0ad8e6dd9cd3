// config_test.cpp - what pools.toml may say.
#include "launcher/pool/config.hpp"

#include <doctest/doctest.h>

namespace agentvm::pool {

namespace {

std::string refusals(std::string_view text) {
  std::vector<vmspec::Problem> problems;
  parse_config(text, "p.toml", problems);
  std::string all;
  for (const vmspec::Problem& problem : problems) all += vmspec::format(problem) + "\n";
  return all;
}

}  // namespace

TEST_SUITE("pool/config") {
  TEST_CASE("pools and limits are read and the rest has its defaults") {
    std::vector<vmspec::Problem> problems;
    const Config config = parse_config(R"(
boots_at_once = 3
vms_per_user = 5
memory_per_user = "8GiB"
[pools.rust]
size = 2
max_age = "6h"
memory_max = "2GiB"
cpu_weight = 50
[pools.b-2]
profile = "./own.toml"
)",
                                       "p.toml", problems);
    CHECK(problems.empty());
    CHECK(config.boots_at_once == 3);
    CHECK(config.vms_per_user == 5);
    CHECK(config.memory_per_user == std::uint64_t{8} << 30);
    REQUIRE(config.pools.size() == 2);
    CHECK(config.pools[0] == PoolConfig{"b-2", "./own.toml", 1, std::chrono::milliseconds(0)});
    CHECK(config.pools[1] == PoolConfig{"rust", "rust", 2, std::chrono::hours(6), {std::uint64_t{2} << 30, 50}});
    CHECK(Config().boots_at_once == 2);
  }

  TEST_CASE("every mistake is told at once with its place") {
    CHECK(refusals("boots_at_once = 0\nsize = 1\n[pools.rust]\nsize = 1001\nmaxage = \"1h\"\nprofile = \"\"\n"
                   "[pools.A]\n[pools]\nx = 1\n") != "");
    CHECK(refusals("boots_at_once = 0\nsiz = 1\n") ==
          "p.toml:1:17: boots_at_once: must be a whole number from 1 to 64 (got the number 0)\n"
          "p.toml:2:1: siz: unknown key\n");
    CHECK(refusals("[pools.rust]\nsize = 1001\nmaxage = \"1h\"\nprofile = \"\"\n") ==
          "p.toml:2:8: pools.rust.size: must be a whole number from 0 to 1000 (got the number 1001)\n"
          "p.toml:3:1: pools.rust.maxage: unknown key; did you mean 'max_age'?\n"
          "p.toml:4:11: pools.rust.profile: must be the name or the path of a profile (got the string '')\n");
    CHECK(refusals("[pools.rust]\nmemory_max = \"1MiB\"\ncpu_weight = 0\n") ==
          "p.toml:2:14: pools.rust.memory_max: must be a size with a unit such as \"4GiB\" or \"512M\", from 64MiB to "
          "1024TiB (got the string '1MiB')\n"
          "p.toml:3:14: pools.rust.cpu_weight: must be a whole number from 1 to 10000 (got the number 0)\n");
    CHECK(refusals("[pools.A]\n") ==
          "p.toml:1:8: pools.A: the name of a pool must be lower-case letters, digits and '-', at most 24\n");
    CHECK(refusals("pools.x = 1\n") == "p.toml:1:7: pools.x: must be a table, as [pools.x]\n");
    CHECK(refusals("= 1") != "");
  }
}

}  // namespace agentvm::pool
