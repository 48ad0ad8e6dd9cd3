// codex_config.cpp - the guest's ~/.codex/config.toml.
#include "vmspec/agents/codex_config.hpp"

#include <fmt/format.h>

#include "base/wire/guest.hpp"
#include "vmspec/embedded.hpp"
#include "vmspec/profile/toml_text.hpp"

namespace agentvm::vmspec {

std::string render_codex_config(const CodexConfigInput& input) {
  // No env_key: Codex then sends no Authorization at all, and the host adds the real one.
  // web_search is the model provider's own network access, which the profile's egress could not govern.
  // A model that the installed Codex does not know makes it warn in every run; without one it takes its own default.
  std::string out = input.model.empty() ? "" : fmt::format("model = {}\n", toml_string(input.model));
  out += fmt::format(
      "model_provider = \"agentvm\"\n"
      "check_for_update_on_startup = false\n"
      "web_search = \"disabled\"\n"
      "\n"
      "[model_providers.agentvm]\n"
      "name = \"agentvm\"\n"
      "base_url = \"http://127.0.0.1:{}/v1\"\n"
      "wire_api = \"responses\"\n"
      "\n"
      "[projects.{}]\n"
      "trust_level = \"trusted\"\n"
      "\n"
      "[history]\n"
      "persistence = \"{}\"\n",
      input.model_port, toml_string(input.workspace_mount), input.interactive ? "save-all" : "none");
  if (input.own_sandbox) {
    out +=
        "\n"
        "[sandbox_workspace_write]\n"
        "network_access = false\n"
        "writable_roots = []\n";
  }
  for (const std::string& server : input.mcp_servers) {
    // required: a server slower than a second would silently be missing from the first turn (0.147 and later).
    // startup_timeout_sec: a server that ends is known at once, so this is for a slow machine alone (30 s were too few
    // for mcp-nixos where everything is emulated).
    // approve: without it every call is refused unless Codex runs unsandboxed; the host's gateway decides what is
    // allowed.
    // enabled, cwd, disabled_tools: what they are anyway, said because the workspace's configuration is merged into
    // this table.
    out += fmt::format(
        "\n"
        "[mcp_servers.{}]\n"
        "command = {}\n"
        "args = {}\n"
        "cwd = \"/\"\n"
        "enabled = true\n"
        "disabled_tools = []\n"
        "required = true\n"
        "startup_timeout_sec = 120\n"
        "tool_timeout_sec = 60\n"
        "default_tools_approval_mode = \"approve\"\n",
        toml_key(server), toml_string(guest::guest_program), toml_array({"bridge", "mcp/" + server}));
  }
  return out + "\n" + embedded_template("codex/config.toml");
}

}  // namespace agentvm::vmspec
