// nix_manifest.hpp - what a built Nix guest is: manifest.json of agentvm.image (templates/nix/guest.nix), read and
// checked.
//
// The text comes out of a build that a profile's modules take part in, so nothing in it is trusted: types, lengths and
// forms are checked, and every path the host would open lies in the Nix store.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace agentvm::image {

/// Largest manifest that is read, bytes.
inline constexpr std::size_t max_manifest = std::size_t{256} << 10;
/// Longest kernel command line that x86 takes, with room for agentvm's own words (COMMAND_LINE_SIZE is 2048).
inline constexpr std::size_t max_kernel_params = 1536;

/// All paths are absolute, free of control characters, and below /nix/store unless said otherwise.
struct NixManifest {
  std::string name;                       ///< of the machine
  std::string system;                     ///< "x86_64-linux"
  std::optional<std::string> kernel_elf;  ///< vmlinux, for cloud-hypervisor; nullopt where there is none
  std::string kernel_image;               ///< what a boot loader takes, for QEMU
  std::string kernel_version;             ///< as in /lib/modules
  std::string initrd;
  std::vector<std::string> kernel_params;  ///< init= among them; no console of agentvm's
  std::string init;
  std::optional<std::string> store_disk;  ///< an erofs image with the closure; nullopt: /nix/store is shared
  bool store_writable = false;
  std::string user;  ///< the agent
  std::uint32_t uid = 1000, gid = 1000;
  std::string home;                  ///< in the guest, anywhere
  std::string workspace;             ///< where the share `workspace` is mounted in the guest
  std::optional<std::string> agent;  ///< the agent's program; nullopt: it comes from the host, or there is none
  std::string shell;
  std::string path;  ///< PATH inside
  bool operator==(const NixManifest&) const = default;
};

/// Throws Error naming the field, its rule and what is there instead.
NixManifest parse_nix_manifest(std::string_view text);

}  // namespace agentvm::image
