// git_index.hpp - what a Git repository tracks, read from its index alone: no Git is started, no configuration read.
#pragma once

#include <string>
#include <vector>

namespace agentvm::devshell {

/// Paths of regular files and links, relative to the workspace; no path leads out of it or into .git. Submodules are
/// left out, as Nix does. Throws Error when .git/index cannot be read or is no index (gitformat-index(5), versions 2 to
/// 4).
std::vector<std::string> tracked_files(const std::string& workspace);

}  // namespace agentvm::devshell
