// nix.cpp - what a plan takes from a guest of NixOS instead of the host's own system.
#include <fmt/format.h>

#include "vmspec/plan/planner.hpp"
#include "vmspec/render/kernel_cmdline.hpp"

namespace agentvm::vmspec {

void Planner::nix_image(const NixGuest& guest) {
  const bool qemu = spec_.hypervisor == HypervisorKind::qemu;
  GuestImage& image = spec_.image;
  image.kind = GuestKind::nix;
  image.path = guest.path;
  if (!guest.built) {
    note("The guest is NixOS, which Nix has to build first.");
    return;
  }
  image.kernel = qemu ? guest.kernel_image : guest.kernel_elf;
  image.kernel_version = guest.kernel_version;
  image.initramfs = guest.initrd;
  image.kernel_params = guest.kernel_params;
  image.store_disk = guest.store_disk;
  image.gc_root = guest.gc_root;
  note(fmt::format("The guest is NixOS under Linux {}, as Nix built it.", guest.kernel_version));
  if (image.kernel.empty()) {
    refuse("machine.hypervisor", "this guest of NixOS has no kernel that cloud-hypervisor can boot", "use \"qemu\"",
           ExitCode::cannot_start);
  }
  if (const std::size_t size = kernel_cmdline(spec_).size(); size > max_kernel_cmdline) {
    refuse("guest.modules",
           fmt::format("the kernel's command line would be {} bytes long, and it takes {}", size, max_kernel_cmdline),
           "take parameters out of boot.kernelParams");
  }
}

void Planner::nix_store_share(const NixGuest& guest) {
  if (guest.store_disk.empty()) add_share({.tag = store_tag, .source = guest.store, .mount_point = store_mount});
}

std::string Planner::user() const {
  return nix() != nullptr ? nix()->user : profile_.guest.user;
}

std::string Planner::home() const {
  return nix() != nullptr ? nix()->home : "/home/" + profile_.guest.user;
}

std::string Planner::mount() const {
  return nix() != nullptr ? nix()->workspace : profile_.workspace.mount;
}

}  // namespace agentvm::vmspec
