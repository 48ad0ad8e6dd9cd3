// codex_overrides.hpp - what the guest's config.toml decides, as words of Codex's command line.
#pragma once

#include <string>
#include <vector>

namespace agentvm::vmspec {

/// "-c", "KEY=VALUE" for every key at the top of `config` (what render_codex_config made), VALUE as inline TOML.
///
/// Codex merges the layers of its configuration table by table: the file in the home, then `.codex/config.toml` of a
/// trusted project, then the command line (0.120, 0.140 and 0.169 run). What is in the file alone is therefore the
/// workspace's to change: its model, its features, and the command behind the name of an MCP server. What is on the
/// command line is not, and every other key of the workspace still counts.
///
/// `profiles`: for a Codex (0.120) that lets a project choose a profile, whose model beats the command line's: a
/// profile that says the same is chosen. Later ones take no `profile` from a project (0.130), and then from nobody
/// (0.135).
///
/// Codex splits KEY at each dot and knows no quoted keys, so names are given inside VALUE. Throws Error when `config`
/// is no TOML, or holds a value that has no such form (a float, a date).
std::vector<std::string> codex_overrides(const std::string& config, bool profiles);

}  // namespace agentvm::vmspec
