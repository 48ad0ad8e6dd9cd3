// devshell.hpp - the devShell of a workspace: built once per content of its flake, found again without Nix.
//
// CACHE/devshells/KEY/roots/root   a GC root on all it needs, made by Nix
// CACHE/devshells/KEY/shell.json   its variables
// CACHE/devshells/KEY/build.log    what Nix said
// CACHE/devshells/KEY/lock         held by whoever builds
//
// KEY is flake_key(): so a lookup reads the files that the flake may read and starts no process. A build copies the
// flake first (CACHE/devshells/unfinished.*), and its key is that of the copy: what is stored under a key was made of
// it.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/held_directory.hpp"
#include "launcher/sandbox/nix_sandbox.hpp"
#include "vmspec/plan/devshell.hpp"

namespace agentvm::devshell {

/// What has been built of this workspace as it is, if anything. Notes that it was used. Throws Error as flake_files.
/// `cache_dir` is absolute, links resolved.
std::optional<vmspec::DevShell> find_devshell(const HeldDirectory& workspace, const std::string& cache_dir);

struct DevShellBuildOptions {
  std::string bubblewrap;                                    ///< absolute path
  bool again = false;                                        ///< even when it is built
  std::function<void(std::string_view line)> progress = {};  ///< each line that Nix says, without control characters
  /// Where it is evaluated: this host, unless a test has another.
  std::function<NixSandbox(const sandbox::GuestPlaces&)> host = inspect_nix_sandbox;
};

/// Finds it or has Nix build it, in a sandbox (nix_sandbox.hpp). Any number of processes may ask at once; one builds. A
/// failed build leaves what was there before. Throws Error that says what Nix complained about, and where all of it is.
vmspec::DevShell build_devshell(const HeldDirectory& workspace, const std::string& cache_dir,
                                const DevShellBuildOptions& options);

/// Removes those not used for `age`, of none in `used` (their GC roots). Returns what was removed (or with `dry_run`,
/// what it would remove).
std::vector<std::string> prune_devshells(const std::string& cache_dir, std::chrono::hours age, bool dry_run,
                                         const std::set<std::string>& used = {});

}  // namespace agentvm::devshell
