// codex_test.cpp - Codex's command line by version, and its configuration.
#include <doctest/doctest.h>

#include "tests/unit/vmspec/support.hpp"
#include "vmspec/agents/codex_command.hpp"
#include "vmspec/agents/codex_config.hpp"
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

TEST_CASE("no prompt is taken for a flag") {
  const Words words = command("0.169.0", "--help");
  REQUIRE(words.size() >= 2);
  CHECK(words[words.size() - 2] == "--");
  CHECK(words.back() == "--help");
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
