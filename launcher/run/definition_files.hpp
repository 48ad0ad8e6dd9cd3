// definition_files.hpp - the definition of a profile with its modules read from disk, and files written for a user.
#pragma once

#include <string>
#include <vector>

#include "vmspec/profile/profile.hpp"
#include "vmspec/render/nix.hpp"

namespace agentvm::commands {

/// Largest NixOS module that is copied into a definition, bytes.
inline constexpr std::size_t max_module_bytes = std::size_t{1} << 20;

/// Reads guest.modules and renders. The guest module comes from $AGENTVM_FLAKE, else from the sources this program was
/// built of. Throws Error naming the module that cannot be copied.
vmspec::Definition make_definition(const vmspec::Profile& profile);

/// What is built for agentvm on this machine: all VMs of the profile boot it. Tries this machine's KVM.
vmspec::Definition make_image_definition(const vmspec::Profile& profile);

/// Writes files below a directory, which is made. Without `force`, throws Error naming the first one that is there and
/// differs, before anything is written.
void write_files(const std::string& directory, const std::vector<vmspec::DefinitionFile>& files, bool force);

}  // namespace agentvm::commands
