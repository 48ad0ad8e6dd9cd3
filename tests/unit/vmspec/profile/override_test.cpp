// override_test.cpp - flags go through the same rules as files.
#include <doctest/doctest.h>

#include "tests/unit/vmspec/support.hpp"

namespace agentvm::vmspec {

namespace {

std::vector<std::string> set(Profile& profile, std::string_view key, std::string_view value,
                             std::string_view flag = "--set") {
  std::vector<Problem> problems;
  apply_override(profile, key, value, flag, problems);
  return testing::format_all(problems);
}

}  // namespace

TEST_CASE("a value is taken by its key's type") {
  Profile p;
  p.guest.tools = {"a"};
  CHECK(set(p, "machine.vcpus", "2").empty());
  CHECK(set(p, "machine.memory", "2GiB").empty());
  CHECK(set(p, "agents_md.write", "false").empty());
  CHECK(set(p, "network.egress", "none").empty());
  CHECK(set(p, "guest.tools.add", "b").empty());
  CHECK(set(p, "guest.packages", R"(["x", "y"])").empty());
  CHECK(set(p, "agent.env.A", "[not a list]").empty());
  CHECK(set(p, "model.key.env", "K").empty());
  CHECK(set(p, "mcp.nixos.command", "mcp-nixos").empty());
  CHECK(set(p, "mcp.nixos.arguments.deny.nix.action", R"(["store"])").empty());
  CHECK(set(p, "description", "[x] = 1").empty());
  CHECK(p.machine.vcpus == 2);
  CHECK(p.machine.memory_bytes == std::uint64_t{2} << 30);
  CHECK_FALSE(p.agents_md.write);
  CHECK(p.network.egress == EgressChoice::none);
  CHECK(p.guest.tools == std::vector<std::string>{"a", "b"});
  CHECK(p.guest.packages == std::vector<std::string>{"x", "y"});
  CHECK(p.agent.env.at("A") == "[not a list]");
  CHECK(p.model.key == KeySource{KeySource::Kind::env, "K", {}});
  CHECK(p.mcp.at("nixos").command == std::vector<std::string>{"mcp-nixos"});
  CHECK(p.mcp.at("nixos").arguments_deny.at("nix").at("action") == std::vector<std::string>{"store"});
  CHECK(p.description == "[x] = 1");
  CHECK(set(p, "model.key", "{}").empty());
  CHECK(p.model.key.kind == KeySource::Kind::none);
}

TEST_CASE("a repeated flag is a list") {
  Profile p;
  std::vector<Problem> problems;
  apply_override(p, "network.allow", std::vector<std::string>{"a.org", "*.b.org"}, "--allow", problems);
  CHECK(problems.empty());
  CHECK(p.network.allow == std::vector<std::string>{"a.org", "*.b.org"});
  CHECK(p.origin("network.allow") == Origin{"--allow", 0, 0});
}

TEST_CASE("mistakes show the flag") {
  Profile p;
  CHECK(set(p, "machine.memory", "4", "--memory") ==
        std::vector<std::string>{
            "--memory: machine.memory: must be a size with a unit such as \"4GiB\" or \"512M\", from "
            "256MiB to 16TiB (got the string '4')"});
  CHECK(set(p, "machine.vcpus", "x", "--vcpus") ==
        std::vector<std::string>{"--vcpus: machine.vcpus: must be a whole number from 1 to 256 (got the string 'x')"});
  CHECK(set(p, "machine.memroy", "4GiB") ==
        std::vector<std::string>{"--set: machine.memroy: unknown key; did you mean 'memory'?"});
  CHECK(set(p, "no.such.key", "1") == std::vector<std::string>{"--set: no.such.key: unknown key"});
  CHECK(set(p, "agents_md.write", "yes").size() == 1);
  CHECK(set(p, "machine", "3").size() == 1);
  CHECK(set(p, "", "3").size() == 1);
  CHECK(set(p, "guest.tools", "[\"a\"").size() == 1);
  CHECK(set(p, "guest.tools", "[]\nmachine.vcpus = 3").size() == 1);
  CHECK(set(p, "a.b.c.d.e.f.g.h.i.j.k.l", "3").size() == 1);
  CHECK(set(p, "extends", "rust").size() == 1);
  CHECK(p == Profile());
}

}  // namespace agentvm::vmspec
