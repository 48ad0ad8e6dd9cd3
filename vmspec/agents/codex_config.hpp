// codex_config.hpp - the guest's ~/.codex/config.toml: Codex pointed at the gateways, and silent towards anything else.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace agentvm::vmspec {

struct CodexConfigInput {
  std::string model;                     ///< "": Codex's own default
  std::string workspace_mount;           ///< trusted, so that Codex asks no question about it
  std::vector<std::string> mcp_servers;  ///< names the profile allows
  std::uint16_t model_port = 0;          ///< of the guest's loopback
  bool interactive = false;              ///< the TUI keeps its history for the VM's life; exec keeps none
  bool own_sandbox = false;              ///< Codex stays in its own: it is not widened either
};

/// The file's text. Every key in it is a decision: a run has them on the command line too (codex_overrides.hpp). No
/// key of the model's is in it: the host adds the key (Codex sends no Authorization without env_key).
std::string render_codex_config(const CodexConfigInput& input);

}  // namespace agentvm::vmspec
