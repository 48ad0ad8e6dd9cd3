// profile_store.hpp - the profiles of this user: where they lie, and in which order they are found.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/held_directory.hpp"
#include "vmspec/profile/profile.hpp"

namespace agentvm::host {

/// One profile as `profile list` shows it. The first place that has a name hides the later ones.
struct ProfileEntry {
  std::string name;
  std::string place;  ///< the file, or "built-in"
};

/// Directories are searched in order; what is compiled in comes last. A name with a slash (or "~/") is a file.
class ProfileStore {
 public:
  explicit ProfileStore(std::vector<std::string> directories) : directories_(std::move(directories)) {}
  /// $XDG_CONFIG_HOME/agentvm/profiles (else ~/.config/...), then /etc/agentvm/profiles.
  static ProfileStore of_user();

  /// Throws Error when the profile lies where a guest may write (base/startable.hpp): what it says is done on the host.
  std::optional<vmspec::SourceText> find(std::string_view name) const;
  std::vector<ProfileEntry> list() const;
  const std::vector<std::string>& directories() const noexcept { return directories_; }
  /// For resolve_profile; borrows this.
  vmspec::ProfileSources sources() const;

 private:
  std::vector<std::string> directories_;
};

/// The agentvm.toml of a workspace, nullopt when there is none. A guest can write there: only a regular file is read,
/// never through a link, and at most max_profile_text bytes. Throws Error otherwise.
std::optional<vmspec::SourceText> workspace_profile(const HeldDirectory& workspace);

}  // namespace agentvm::host
