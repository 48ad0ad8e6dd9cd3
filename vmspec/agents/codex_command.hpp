// codex_command.hpp - Codex's command line for one run, by the version that is installed.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "vmspec/profile/profile.hpp"

namespace agentvm::vmspec {

struct CodexCommandInput {
  std::string program;  ///< absolute guest path
  std::string version;  ///< "0.169.0"; unknown or "": the newest mapping
  Autonomy autonomy = Autonomy::full_auto;
  std::optional<std::string> prompt = {};  ///< set: `codex exec`; not set: the TUI
  bool interactive = false;                ///< the TUI with the prompt as its first turn
  std::string config = {};                 ///< the guest's config.toml, every key of which is decided; "": nothing is
  std::vector<std::string> args = {};  ///< the profile's and the caller's, in front of the prompt; the last word counts
};

/// argv. The prompt is the last word, after "--", so that no prompt is ever taken for a flag. What `config` says is on
/// the command line too, since the workspace's own .codex/config.toml would otherwise overrule it.
std::vector<std::string> codex_command(const CodexCommandInput& input);

}  // namespace agentvm::vmspec
