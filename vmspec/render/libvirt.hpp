// libvirt.hpp - a VmSpec as the XML of a libvirt domain.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "vmspec/plan/vm_spec.hpp"

namespace agentvm::vmspec {

/// Files of one VM that libvirt and QEMU touch; all absolute.
struct LibvirtPaths {
  std::string console_log;
  std::string control_socket;              ///< we listen, QEMU connects
  std::string services_socket;             ///< likewise
  std::vector<std::string> share_sockets;  ///< in the order of VmSpec::shares
  std::string tap = {};                    ///< a tap that is there and that QEMU's user may open; "": no network card
  std::string mac = {};                    ///< of the card
};

/// What differs between libvirt drivers and QEMU builds.
struct LibvirtFeatures {
  /// Session and system drivers: QEMU runs as this user and libvirt changes no owner. nullopt: no label is written.
  struct Label {
    std::uint32_t uid = 0;
    std::uint32_t gid = 0;
  };
  std::optional<Label> dac_label = {};
  std::string firmware = {};  ///< absolute path of qboot.rom; "": QEMU's own SeaBIOS
};

/// The domain. Its name is libvirt_domain_name(spec), its uuid the VM's. `kernel_cmdline` as kernel_cmdline(spec).
/// Throws Error when share_sockets does not match the shares.
std::string render_libvirt_domain(const VmSpec& spec, const LibvirtPaths& paths, const std::string& kernel_cmdline,
                                  const LibvirtFeatures& features);

/// One share as a <filesystem> device, for attaching it to a running domain.
std::string render_libvirt_share(const ShareSpec& share, const std::string& socket);

/// The name libvirt knows the VM by: "vm" in a root of its own, else "agentvm-" and the VM's name.
std::string libvirt_domain_name(const VmSpec& spec);

}  // namespace agentvm::vmspec
