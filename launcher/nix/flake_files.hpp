// flake_files.hpp - the files of a workspace's flake: which they are, whether they are as they were, a copy of them.
//
// The workspace may be an agent's work, and another agent may write in it right now. Nothing in it is executed and no
// configuration of its repository is read; no link is followed, no FIFO waited for.
#pragma once

#include <string>
#include <vector>

#include "base/held_directory.hpp"

namespace agentvm::devshell {

/// Most files and bytes that a flake may have; the copy takes as much.
inline constexpr std::size_t most_files = 100'000;
inline constexpr std::size_t most_bytes = std::size_t{2} << 30;

/// Whether there is a flake.nix.
bool has_flake(const HeldDirectory& workspace);

/// Paths relative to the workspace, sorted. In a Git repository (a .git directory) what its index lists, as Nix takes
/// it; else all files but those of .git, .direnv, node_modules and target. Throws Error when the index cannot be read,
/// does not list flake.nix, or there are too many.
std::vector<std::string> flake_files(const HeldDirectory& workspace);

/// The SHA-256 of the workspace's path and of every one of these files below `root`, its right to be executed included:
/// a flake may read any of them, and what one of them made must not be found again once it is another. Links count by
/// where they lead. Throws Error when they have more than most_bytes, or one cannot be read.
std::string flake_key(const std::string& workspace, const HeldDirectory& root, const std::vector<std::string>& files);

/// Copies them to the directory `copy`, which is made: regular files and links; a file that is gone is left out. Throws
/// Error naming what cannot be read, or when it would take more than most_bytes.
void copy_flake(const HeldDirectory& workspace, const std::vector<std::string>& files, const std::string& copy);

}  // namespace agentvm::devshell
