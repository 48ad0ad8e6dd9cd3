// flake_files.hpp - the files of a workspace that its devShell is made of: are they as they were?
#pragma once

#include <string>

namespace agentvm::devshell {

/// Whether there is a flake.nix.
bool has_flake(const std::string& workspace);
/// Whether its flake is what Git tracks: .git is a directory, and one that Git needs nothing outside of.
bool has_own_git(const std::string& workspace);

/// The SHA-256 of the workspace's path and of all files in it that a devShell is usually made of: flake.lock, *.nix,
/// rust-toolchain, rust-toolchain.toml, devshell.toml, not in hidden directories, node_modules or target. Links count
/// by where they lead, FIFOs and devices by being there: a guest may write in the workspace. Of a very large workspace
/// only the first 20,000 entries in alphabetical order are looked at, to a depth of 8, and of a file the first MiB.
///
/// Other files that a flake reads (a .toml of its own) do not change the key: `agentvm build --update` is for that.
std::string flake_key(const std::string& workspace);

}  // namespace agentvm::devshell
