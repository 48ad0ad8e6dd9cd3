// resolve_test.cpp - layers: extends, appends, a workspace's file over a named profile.
#include <doctest/doctest.h>

#include "tests/unit/vmspec/support.hpp"

namespace agentvm::vmspec {

using testing::format_all;
using testing::has_line;
using testing::sources_of;

namespace {

struct Resolved {
  Profile profile;
  std::vector<std::string> lines;
};

Resolved resolve(std::map<std::string, std::string> texts, std::string_view name,
                 const char* workspace_file = nullptr) {
  std::vector<Problem> problems;
  std::optional<SourceText> overlay;
  if (workspace_file != nullptr) overlay = SourceText{"agentvm.toml", workspace_file};
  Resolved out;
  out.profile = resolve_profile(name, overlay, sources_of(std::move(texts)), problems);
  out.lines = format_all(problems);
  return out;
}

}  // namespace

TEST_CASE("tables merge and arrays replace and add appends") {
  const auto r = resolve(
      {{"base",
        "[guest]\ntools = [\"a\", \"b\"]\npackages = [\"p\"]\n[agent]\nargs = [\"1\"]\nenv = { A = \"1\", B = \"1\" "
        "}\n"},
       {"mine", "extends = \"base\"\n[guest]\ntools.add = [\"c\"]\npackages = [\"q\"]\n[agent.env]\nB = \"2\"\n"}},
      "mine");
  for (const std::string& line : r.lines) FAIL_CHECK(line);
  CHECK(r.profile.name == "mine");
  CHECK(r.profile.guest.tools == std::vector<std::string>{"a", "b", "c"});
  CHECK(r.profile.guest.packages == std::vector<std::string>{"q"});
  CHECK(r.profile.agent.args == std::vector<std::string>{"1"});
  CHECK(r.profile.agent.env == std::map<std::string, std::string>{{"A", "1"}, {"B", "2"}});
  CHECK(r.profile.origin("guest.tools") == Origin{"mine.toml", 3, 1});
  CHECK(r.profile.origin("agent.env.A").file == "base.toml");
}

TEST_CASE("add without anything below it is the list") {
  const auto r = resolve({{"mine", "guest.tools.add = [\"c\"]\n"}}, "mine");
  CHECK(r.lines.empty());
  CHECK(r.profile.guest.tools == std::vector<std::string>{"c"});
}

TEST_CASE("add is checked like the list itself") {
  CHECK(has_line(resolve({{"mine", "guest.tools.add = \"c\"\n"}}, "mine").lines,
                 "guest.tools: must be a list of strings (got the string 'c')"));
  CHECK(has_line(resolve({{"mine", "guest.tools.ad = [\"c\"]\n"}}, "mine").lines,
                 "guest.tools.ad: unknown key; did you mean 'add'?"));
  CHECK(
      has_line(resolve({{"mine", "machine.vcpus.add = 3\n"}}, "mine").lines, "machine.vcpus: must be a whole number"));
}

TEST_CASE("servers and their rules merge and the model's key is one source") {
  const auto r = resolve({{"mine",
                           "extends = \"default\"\n[mcp.nixos]\narguments.deny = { nix = { action.add = [\"cache\"] }, "
                           "nix_versions = { package = [\"x\"] } }\n"
                           "[model]\nkey = { file = \"/run/key\" }\n"}},
                         "mine");
  for (const std::string& line : r.lines) FAIL_CHECK(line);
  const McpServer& server = r.profile.mcp.at("nixos");
  CHECK(server.command == std::vector<std::string>{"mcp-nixos"});
  CHECK(server.arguments_deny.at("nix").at("action") == std::vector<std::string>{"flake-inputs", "store", "cache"});
  CHECK(server.arguments_deny.at("nix_versions").at("package") == std::vector<std::string>{"x"});
  CHECK(r.profile.model.key == KeySource{KeySource::Kind::file, "/run/key", {}});
}

TEST_CASE("an inherited key and an inherited server can be taken away") {
  const auto r = resolve({{"mine", "extends = \"default\"\n[mcp.nixos]\ncommand = []\n[model]\nkey = {}\n"}}, "mine");
  CHECK(r.lines.empty());
  CHECK(r.profile.model.key.kind == KeySource::Kind::none);
  CHECK(r.profile.mcp.at("nixos").command.empty());
}

TEST_CASE("mistakes of every layer are shown each in its file") {
  const auto r =
      resolve({{"base", "machine.vcpus = 0\n"}, {"mine", "extends = \"base\"\nmachine.memory = 3\n"}}, "mine");
  REQUIRE(r.lines.size() == 2);
  CHECK(has_line(r.lines, "base.toml:1:17: machine.vcpus"));
  CHECK(has_line(r.lines, "mine.toml:2:18: machine.memory"));
}

TEST_CASE("a circle is shown as one") {
  const auto r = resolve({{"a", "extends = \"b\"\n"}, {"b", "extends = \"a\"\n"}}, "a");
  REQUIRE(r.lines.size() == 1);
  CHECK(r.lines[0] == "b.toml:1:11: extends: profiles extend each other in a circle: a -> b -> a");
}

TEST_CASE("a profile may extend the built-in one it hides") {
  const auto r = resolve({{"default", "extends = \"default\"\n[machine]\nvcpus = 2\n"}}, "default");
  for (const std::string& line : r.lines) FAIL_CHECK(line);
  CHECK(r.profile.machine.vcpus == 2);
  CHECK(r.profile.mcp.contains("nixos"));
}

TEST_CASE("an unknown name has its place and the nearest known one") {
  CHECK(resolve({}, "rsut").lines == std::vector<std::string>{"there is no profile 'rsut'; did you mean 'rust'?"});
  CHECK(resolve({{"mine", "extends = \"pyton\"\n"}}, "mine").lines ==
        std::vector<std::string>{"mine.toml:1:11: extends: there is no profile 'pyton'; did you mean 'python'?"});
}

TEST_CASE("a chain has an end") {
  std::map<std::string, std::string> texts;
  for (int i = 0; i < 40; ++i) texts["p" + std::to_string(i)] = "extends = \"p" + std::to_string(i + 1) + "\"\n";
  const auto r = resolve(std::move(texts), "p0");
  REQUIRE(r.lines.size() == 1);
  CHECK(r.lines[0].find("at most 16 profiles") != std::string::npos);
}

TEST_CASE("a workspace's file names its profile and overrides it") {
  for (const char* text :
       {"profile = \"rust\"\n[machine]\nvcpus = 2\n", "[profile]\nname = \"rust\"\n[machine]\nvcpus = 2\n"}) {
    const auto r = resolve({}, "", text);
    for (const std::string& line : r.lines) FAIL_CHECK(line);
    CHECK(r.profile.name == "rust");
    CHECK(r.profile.machine.vcpus == 2);
    CHECK(r.profile.guest.tools == std::vector<std::string>{"cargo", "rustc"});
    CHECK(named_profile({"agentvm.toml", text}) == "rust");
  }
}

TEST_CASE("a name given by the caller stands under the workspace's tables") {
  const auto r = resolve({}, "python", "profile = \"rust\"\n[machine]\nvcpus = 2\n");
  CHECK(r.lines.empty());
  CHECK(r.profile.name == "python");
  CHECK(r.profile.machine.vcpus == 2);
}

TEST_CASE("without any name it is the default profile") {
  CHECK(resolve({}, "").profile.name == "default");
  CHECK(resolve({}, "", "[machine]\nvcpus = 2\n").profile.mcp.contains("nixos"));
}

TEST_CASE("profile belongs into a workspace's file and not beside extends") {
  CHECK(has_line(resolve({{"mine", "profile = \"rust\"\n"}}, "mine").lines, "only a workspace's agentvm.toml"));
  CHECK(has_line(resolve({}, "", "profile = \"rust\"\nextends = \"rust\"\n").lines, "says the same as profile"));
}

TEST_CASE("a workspace's file cannot pull another file in") {
  for (const char* text :
       {"profile = \"./evil\"\n", "extends = \"/ws/evil.toml\"\n", "[profile]\nname = \"./evil\"\n"}) {
    const auto r = resolve({{"./evil", "[mcp.x]\ncommand = [\"sh\"]\n"}}, "", text);
    REQUIRE(r.lines.size() == 1);
    CHECK(has_line(r.lines, "must be a profile's name, not a path"));
    CHECK_FALSE(r.profile.mcp.contains("x"));
  }
}

TEST_CASE("a layer that is no TOML is the only mistake shown") {
  const auto r = resolve({{"base", "x = = 1\n"}, {"mine", "extends = \"base\"\nagent.kind = \"command\"\n"}}, "mine");
  REQUIRE(r.lines.size() == 1);
  CHECK(r.lines[0].find("not valid TOML") != std::string::npos);
}

}  // namespace agentvm::vmspec
