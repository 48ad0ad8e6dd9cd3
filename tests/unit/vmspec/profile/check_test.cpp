// check_test.cpp - rules over several keys.
#include <doctest/doctest.h>

#include "tests/unit/vmspec/support.hpp"

namespace agentvm::vmspec {

using testing::has_line;
using testing::only_problem;
using testing::parse;

TEST_CASE("hiding needs review mode") {
  CHECK(only_problem("workspace.hide = [\".env\"]\n")
            .find("workspace.hide: needs workspace.mode = \"review\" (got \"shared\")") != std::string::npos);
  CHECK(parse("workspace.hide = [\".env\"]\nworkspace.mode = \"review\"\n").lines.empty());
}

TEST_CASE("an allow-list contradicts nat and none") {
  for (const char* egress : {"nat", "none"}) {
    CHECK(has_line(parse(std::string("[network]\nallow = [\"a.org\"]\negress = \"") + egress + "\"\n").lines,
                   "network.allow: needs network.egress"));
  }
  CHECK(parse("[network]\nallow = [\"a.org\"]\n").lines.empty());
  CHECK(parse("[network]\nallow = [\"a.org\"]\negress = \"proxy\"\n").lines.empty());
}

TEST_CASE("a port is published once") {
  CHECK(only_problem("network.publish = [\"127.0.0.1:80:1\", \"127.0.0.1:80:2\"]\n").find("a second time") !=
        std::string::npos);
  CHECK(parse("network.publish = [\"127.0.0.1:80:1\", \"127.0.0.2:80:2\", \"127.0.0.1:81:1\"]\n").lines.empty());
}

TEST_CASE("kind = command needs one unless it is wrong anyway") {
  CHECK(only_problem("agent.kind = \"command\"\n").find("agent.command: is needed") != std::string::npos);
  CHECK(only_problem("agent.kind = \"command\"\nagent.command = 3\n").find("must be a list") != std::string::npos);
}

TEST_CASE("the key's variable never enters the guest") {
  CHECK(only_problem("model.key = { env = \"K\" }\nagent.env = { K = \"1\" }\n")
            .find("agent.env.K: is the variable of the model's key") != std::string::npos);
}

TEST_CASE("servers have a command and an empty one switches off") {
  CHECK(only_problem("[mcp.x]\ntools.deny = [\"a\"]\n").find("mcp.x: has no command") != std::string::npos);
  CHECK(parse("[mcp.x]\ncommand = []\n").lines.empty());
}

TEST_CASE("allow and deny of tools exclude each other") {
  CHECK(only_problem("[mcp.x]\ncommand = [\"x\"]\ntools.allow = [\"a\"]\ntools.deny = [\"b\"]\n")
            .find("mcp.x.tools.allow: contradicts") != std::string::npos);
  CHECK(parse("[mcp.x]\ncommand = [\"x\"]\ntools.allow = [\"a\"]\ntools.deny = []\n").lines.empty());
}

TEST_CASE("the workspace hides neither the agent's files nor exposed ones") {
  CHECK(has_line(parse("workspace.mount = \"/home/agent\"\n").lines, "would hide the agent's own files"));
  CHECK(has_line(parse("workspace.mount = \"/home/agent/.codex/x\"\n").lines, "would hide the agent's own files"));
  CHECK(has_line(parse("workspace.mount = \"/home/agent/.cargo\"\nguest.expose = [\"~/.cargo/bin\"]\n").lines,
                 "would overlap the workspace"));
  CHECK(has_line(parse("workspace.mount = \"/opt/a/b\"\nguest.expose = [\"/opt/a\"]\n").lines,
                 "would overlap the workspace"));
  CHECK(parse("workspace.mount = \"/home/agent/app\"\nguest.expose = [\"~/.cargo/bin\"]\n").lines.empty());
}

TEST_CASE("what a workspace's file reaches outside is known") {
  const auto parsed = parse(
      "[model]\nname = \"m\"\nupstream = \"https://evil.example\"\n[mcp.x]\ncommand = [\"sh\"]\n[guest]\nexpose = "
      "[\"/opt/x\"]\n");
  CHECK(outward_keys(parsed.profile, "p.toml") ==
        std::vector<std::string>{"guest.expose", "mcp.x.command", "model.upstream"});
  CHECK(outward_keys(parsed.profile, "other.toml").empty());
  CHECK(outward_keys(parse("[guest]\ndevshell = true\n").profile, "p.toml") ==
        std::vector<std::string>{"guest.devshell"});
  CHECK(outward_keys(parse("[guest]\ndevshell = false\n").profile, "p.toml").empty());
  const auto wider = parse("[workspace]\nmode = \"shared\"\n[network]\negress = \"proxy\"\nallow = [\"a.org\"]\n");
  CHECK(outward_keys(wider.profile, "p.toml") ==
        std::vector<std::string>{"network.allow", "network.egress", "workspace.mode"});
  const auto narrower =
      parse("[workspace]\nmode = \"read-only\"\n[network]\negress = \"none\"\n[machine]\nvcpus = 2\n");
  CHECK(outward_keys(narrower.profile, "p.toml").empty());
}

}  // namespace agentvm::vmspec
