// codex_test.cpp - Codex's command line by version, and its configuration.
#include <doctest/doctest.h>

#include <algorithm>

#include "base/error.hpp"
#include "tests/unit/vmspec/support.hpp"
#include "vmspec/agents/codex_command.hpp"
#include "vmspec/agents/codex_config.hpp"
#include "vmspec/agents/codex_overrides.hpp"
#include "vmspec/profile/setting.hpp"

namespace agentvm::vmspec {

namespace {

using Words = std::vector<std::string>;

Words command(const std::string& version, std::optional<std::string> prompt, Autonomy autonomy = Autonomy::full_auto) {
  return codex_command(
      {.program = "/c", .version = version, .autonomy = autonomy, .prompt = std::move(prompt), .args = {"--json"}});
}

}  // namespace

TEST_CASE("full-auto is what the installed version calls it") {
  const Words old_exec = {"/c", "exec", "--skip-git-repo-check", "--full-auto", "--json", "--", "do it"};
  const Words new_exec = {"/c", "exec", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox", "--json",
                          "--", "do it"};
  const Words old_tui = {"/c", "--full-auto", "--json"};
  const Words new_tui = {"/c", "--dangerously-bypass-approvals-and-sandbox", "--json"};
  for (const char* version : {"0.120.0", "0.140.0", "0.146.1"}) CHECK(command(version, "do it") == old_exec);
  for (const char* version : {"0.147.0", "0.169.0", "1.0.0", "", "unknown", "0."})
    CHECK(command(version, "do it") == new_exec);
  for (const char* version : {"0.120.0", "0.139.9"}) CHECK(command(version, std::nullopt) == old_tui);
  for (const char* version : {"0.140.0", "0.146.1", "0.168.9"}) CHECK(command(version, std::nullopt) == new_tui);
  const Words alone = {"/c", "--dangerously-bypass-approvals-and-sandbox", "--no-daemon", "--json"};
  for (const char* version : {"0.169.0", "0.170.1", ""}) CHECK(command(version, std::nullopt) == alone);
}

TEST_CASE("ask keeps Codex's own sandbox") {
  CHECK(command("0.169.0", "x", Autonomy::ask) ==
        Words{"/c", "exec", "--skip-git-repo-check", "--sandbox", "workspace-write", "--json", "--", "x"});
  CHECK(command("0.169.0", std::nullopt, Autonomy::ask) ==
        Words{"/c", "--sandbox", "workspace-write", "--ask-for-approval", "on-request", "--no-daemon", "--json"});
}

TEST_CASE("the TUI begins with the prompt when it has one") {
  CHECK(codex_command({.program = "/c", .version = "0.169.0", .prompt = "do it", .interactive = true}) ==
        Words{"/c", "--dangerously-bypass-approvals-and-sandbox", "--no-daemon", "--", "do it"});
}

TEST_CASE("every key of the configuration is on the command line before the caller's arguments") {
  const std::string config =
      "model = \"a\\\"b=c\"\nmodel_provider = \"agentvm\"\nn = 3\n[features]\nx = false\n[projects.\"/w s.d\"]\n"
      "trust_level = \"trusted\"\n[mcp_servers.two]\nargs = [\"a, b\", \"\"]\nnone = []\n";
  const Words settings = {"-c", R"(model="a\"b=c")",
                          "-c", R"(model_provider="agentvm")",
                          "-c", "n=3",
                          "-c", "features={x = false}",
                          "-c", R"(projects={"/w s.d" = {trust_level = "trusted"}})",
                          "-c", R"(mcp_servers={two = {args = ["a, b", ""], none = []}})"};
  CHECK(codex_overrides(config, false) == settings);
  Words expected = {"/c", "exec", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox"};
  expected.insert(expected.end(), settings.begin(), settings.end());
  for (const char* word : {"-m", "mine", "--", "do it"}) expected.emplace_back(word);
  CHECK(codex_command(
            {.program = "/c", .version = "0.169.0", .prompt = "do it", .config = config, .args = {"-m", "mine"}}) ==
        expected);
}

TEST_CASE("a Codex whose projects choose profiles is given one that says the same") {
  const std::string config =
      "model = \"m\"\nmodel_provider = \"agentvm\"\n[features]\nx = false\n[otel]\nexporter = \"none\"\n";
  const Words words = codex_overrides(config, true);
  REQUIRE(words.size() == 12);
  CHECK(words[9] == R"(profile="agentvm")");
  CHECK(words[11] == R"(profiles={agentvm = {model="m", model_provider="agentvm", features={x = false}}})");
  const auto chooses = [&](const char* version) {
    const Words argv = codex_command({.program = "/c", .version = version, .prompt = "x", .config = config});
    return std::find(argv.begin(), argv.end(), words[9]) != argv.end();
  };
  CHECK(chooses("0.120.0"));
  for (const char* version : {"0.130.0", "0.169.0", ""}) CHECK_FALSE(chooses(version));
}

TEST_CASE("what has no form on a command line is refused") {
  CHECK_THROWS_AS(codex_overrides("x = 1.5\n", false), Error);
  CHECK_THROWS_AS(codex_overrides("x = ", false), Error);
}

TEST_CASE("all that is ever written into the configuration can be on the command line") {
  const std::string text =
      render_codex_config({.model = "m", .workspace_mount = "/w", .mcp_servers = {"nixos"}, .own_sandbox = true});
  std::string joined;
  for (const std::string& word : codex_overrides(text, false)) joined += word + "\n";
  for (const char* part :
       {"model_provider=\"agentvm\"", "base_url = \"http://127.0.0.1:", "web_search=\"disabled\"", "plugins = false",
        "mcp_servers={nixos = {command = \"/run/agentvm/agentvm-guest\"", "enabled = true, disabled_tools = []",
        "sandbox_workspace_write={network_access = false, writable_roots = []}"}) {
    CAPTURE(part);
    CHECK(joined.find(part) != std::string::npos);
  }
}

TEST_CASE("no prompt is taken for a flag") {
  const Words words = command("0.169.0", "--help");
  REQUIRE(words.size() >= 2);
  CHECK(words[words.size() - 2] == "--");
  CHECK(words.back() == "--help");
}

TEST_CASE("without a model's name Codex takes its own") {
  std::vector<Problem> problems;
  const auto root = parse_toml(render_codex_config({.model = "", .workspace_mount = "/w"}), "config.toml", problems);
  REQUIRE(root);
  CHECK(root->find("model") == nullptr);
  CHECK(root->find("model_provider") != nullptr);
}

TEST_CASE("the configuration is TOML whatever the names are and holds no key") {
  const std::string text = render_codex_config({.model = "a\"\n[evil]\nx = \"",
                                                .workspace_mount = "/work \"x\"",
                                                .mcp_servers = {"nixos", "two"},
                                                .model_port = 4180});
  std::vector<Problem> problems;
  const auto root = parse_toml(text, "config.toml", problems);
  REQUIRE(root);
  CHECK(root->find("evil") == nullptr);
  CHECK(root->find("model")->value.text == "a\"\n[evil]\nx = \"");
  CHECK(root->find("projects")->value.find("/work \"x\"") != nullptr);
  const Setting& provider = root->find("model_providers")->value.find("agentvm")->value;
  CHECK(provider.find("base_url")->value.text == "http://127.0.0.1:4180/v1");
  CHECK(provider.find("env_key") == nullptr);
  const Setting& server = root->find("mcp_servers")->value.find("two")->value;
  CHECK(server.find("command")->value.text == "/run/agentvm/agentvm-guest");
  CHECK(server.find("args")->value.items.at(1).text == "mcp/two");
  CHECK(server.find("required")->value.boolean);
  CHECK(server.find("default_tools_approval_mode")->value.text == "approve");
  for (const char* table : {"analytics", "feedback"})
    CHECK_FALSE(root->find(table)->value.find("enabled")->value.boolean);
  CHECK(root->find("history")->value.find("persistence")->value.text == "none");
}

}  // namespace agentvm::vmspec
