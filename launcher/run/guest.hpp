// guest.hpp - what guest.source comes down to here: the host's own system, or a guest of NixOS, found or to be
// built.
#pragma once

#include <functional>
#include <optional>
#include <string_view>

#include "launcher/state/vm_directory.hpp"
#include "vmspec/plan/nix_guest.hpp"
#include "vmspec/profile/profile.hpp"

namespace agentvm::commands {

struct GuestChoice {
  std::optional<vmspec::NixGuest> nix;  ///< nullopt: the host's own system
  bool passed_over = false;             ///< "auto" where `nix` is, and nothing built of this profile
};

/// A guest that the profile names (guest.image) is taken as it is. "nix" is what it says, built or not. "auto" never
/// begins a build that nobody asked for: it takes what is built already, and builds only on NixOS, whose own /usr is no
/// system. Starts no Nix. Throws Error when a module of the profile or what was built cannot be read.
GuestChoice choose_guest(const vmspec::Profile& profile, const state::Roots& roots);

/// Has Nix build it, unless it is built. Throws Error that says what Nix complained about, and where all of it is.
vmspec::NixGuest build_guest(const vmspec::Profile& profile, const state::Roots& roots,
                             const std::function<void(std::string_view line)>& progress);

}  // namespace agentvm::commands
