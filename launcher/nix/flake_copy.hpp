// flake_copy.hpp - a flake as it was at one moment, and whoever works on it, known to the next one when we are killed.
//
// CACHE/devshells/unfinished.XXXXXX/flake   the copy
//                                  /fetched what Nix fetched for it
//                                  /uuid    what its processes carry in AGENTVM_INSTANCE
//                                  /lock    held by its owner
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/file.hpp"
#include "base/held_directory.hpp"

namespace agentvm::devshell {

/// What every copy's directory begins with, before it is locked and after; no key does.
inline constexpr char begun[] = "begun.";
inline constexpr char unfinished[] = "unfinished.";

class FlakeCopy {
 public:
  /// Copies the workspace's flake below `directory`, which is made. Throws Error as flake_files and copy_flake, and
  /// when flake.nix or flake.lock is a link or larger than 16 MiB: Nix reads them whole, wherever a link leads.
  FlakeCopy(const HeldDirectory& workspace, const std::string& directory);
  FlakeCopy(const FlakeCopy&) = delete;
  FlakeCopy& operator=(const FlakeCopy&) = delete;
  ~FlakeCopy() { remove_tree(directory_); }

  std::string place() const { return directory_ + "/flake"; }
  /// Nix's cache of what was fetched, for this build alone: one flake decides what is fetched for a name and a
  /// revision, and another would believe it. What a flake.lock has a hash of is found in the store without it.
  std::string fetched() const { return directory_ + "/fetched"; }
  const std::string& key() const noexcept { return key_; }  ///< flake_key of the copy
  const std::string& uuid() const noexcept { return uuid_; }

 private:
  std::string directory_;
  std::optional<FileLock> lock_;
  std::string uuid_;
  std::string key_;
};

/// Ends the processes of copies below `directory` whose owners were killed, and removes the copies. Returns what was
/// removed (or with `dry_run`, what it would remove). Throws Error when one cannot be removed, after all were tried.
std::vector<std::string> remove_dead_copies(const std::string& directory, bool dry_run);

}  // namespace agentvm::devshell
