// nix_guest.hpp - a guest of NixOS as the plan needs it: what is booted, and where things are inside.
//
// Made of its manifest by launcher/image, or of the profile alone where it is still to be built.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "vmspec/profile/profile.hpp"

namespace agentvm::vmspec {

/// Tag of the share that microvm.nix mounts as the store, and where.
inline constexpr char store_tag[] = "ro-store";
inline constexpr char store_mount[] = "/nix/.ro-store";

/// Paths named "host" are opened here, the others are the guest's own.
struct NixGuest {
  bool built = false;          ///< false: Nix has to build it first, and only what the profile says is known
  std::string gc_root;         ///< host: the link that keeps it from the store's garbage collector
  std::string kernel_image;    ///< host: what QEMU boots
  std::string kernel_elf;      ///< host: what cloud-hypervisor boots; "": there is none
  std::string kernel_version;  ///< as in /lib/modules
  std::string initrd;          ///< host
  std::vector<std::string> kernel_params;  ///< init= among them
  std::string store;                       ///< host: the directory shared as /nix/store; "": `store_disk` has it
  std::string store_disk;                  ///< host: a disk image with the store; "": `store` is shared
  std::string user;
  std::uint32_t uid = 1000, gid = 1000;
  std::string home;
  std::string workspace;             ///< where the workspace is mounted
  std::optional<std::string> agent;  ///< the agent's program; nullopt: it comes from the host, or there is none
  std::string shell;
  std::string path;  ///< PATH
  bool operator==(const NixGuest&) const = default;
};

/// What is known before Nix has built it, for checking a plan and for --dry-run.
NixGuest unbuilt_nix_guest(const Profile& profile);

}  // namespace agentvm::vmspec
