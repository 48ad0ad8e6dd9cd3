// git_index.hpp - what a Git repository tracks, read from its index alone: no Git is started, no configuration read.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/held_directory.hpp"

namespace agentvm::devshell {

/// Most bytes of an index, entries in it, bytes of all their paths, bytes of one and directories above one file.
inline constexpr std::size_t max_index = std::size_t{64} << 20;
inline constexpr std::size_t max_index_entries = 100'000;
inline constexpr std::size_t max_path_bytes = std::size_t{32} << 20;
inline constexpr std::size_t max_path = 4095;
inline constexpr std::size_t max_directories = 64;

/// Paths of the regular files and links in an index (gitformat-index(5), versions 2 to 4), in its order, each once;
/// submodules are left out, as Nix does. None leads out of the repository or into .git, and none lies below another.
/// Throws Error saying what is wrong with it, or what it has that agentvm cannot read.
std::vector<std::string> parse_git_index(std::string_view bytes);

struct TrackedFiles {
  bool repository = false;         ///< the workspace is one, or lies in one
  std::vector<std::string> paths;  ///< relative to the workspace
};
/// What the workspace's repository tracks below it. Throws Error naming the workspace, also for a Git worktree or
/// submodule, whose index lies elsewhere.
TrackedFiles tracked_files(const HeldDirectory& workspace);

}  // namespace agentvm::devshell
