// nix.hpp - a profile as a microvm.nix machine: the files of a flake that a NixOS user can read, change and
// boot.
//
// Nothing of one VM is in them. What microvm.nix itself needs to start the machine (a tap's name, a MAC, a vsock CID)
// is there once per profile; agentvm gives each VM its own instead and boots the same closure. The option names and
// types are those of microvm.nix at `microvm_commit` (nixos-modules/microvm/options.nix).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "vmspec/profile/profile.hpp"

namespace agentvm::vmspec {

/// Of 2026-08-09. From 2026-07-26 on (microvm.nix #568) a guest that reports ready over vsock is not slowed down by it.
inline constexpr std::string_view microvm_commit = "71beea0076cd46dafcee97a5a2e7d00cbba5bd2f";

/// A NixOS module of guest.modules, read already.
struct NixModule {
  std::string path;  ///< as the profile has it; its last part names the copy
  std::string text;
};

struct DefinitionInput {
  std::string system = "x86_64-linux";  ///< of the guest, and of the host that builds it
  std::string agentvm_flake;            ///< flake reference of agentvm, for its guest module
  std::vector<NixModule> modules = {};  ///< one for each of guest.modules, in that order
};

struct DefinitionFile {
  std::string name;  ///< relative: "flake.nix", "modules/1-extra.nix"
  std::string content;
  bool operator==(const DefinitionFile&) const = default;
};

struct Definition {
  std::string name;  ///< of the machine: host name and nixosConfigurations.NAME; [a-z0-9-], at most 40
  std::vector<DefinitionFile> files;
};

/// The name of a profile's machine: the profile's own, or its file's, in the letters of a host name.
std::string machine_name(const Profile& profile);

/// The definition of a checked profile. Throws Error for a text that cannot be written as Nix.
Definition render_definition(const Profile& profile, const DefinitionInput& input);

/// The same profile with everything at its default that agentvm gives a VM when it starts it (size, network, the
/// agent's variables and own files): what is built for agentvm, so that a flag of `agentvm run` builds nothing anew.
/// `emulated` decides what an automatic store.share is: files of a share are dear to an emulated machine.
Profile shared_profile(const Profile& profile, bool emulated);

}  // namespace agentvm::vmspec
