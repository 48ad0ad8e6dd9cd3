// cloud_hypervisor.hpp - a VmSpec as the bodies of cloud-hypervisor's REST requests.
//
// Names and types are those of its OpenAPI description (vmm/src/api/openapi/cloud-hypervisor.yaml of v53.0); what an
// older version does not know it ignores.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "vmspec/plan/vm_spec.hpp"

namespace agentvm::vmspec {

/// The guest's context id on its vsock. Each VM has a unix socket of its own, so every VM may have the same.
inline constexpr std::uint32_t cloud_hypervisor_cid = 3;

/// Files of one VM that cloud-hypervisor touches; all absolute.
struct CloudHypervisorPaths {
  std::string directory;                   ///< private to the VM; sockets of shares added later lie in it
  std::string console;                     ///< the serial port is written here; a FIFO will do
  std::string vsock_socket;                ///< cloud-hypervisor listens here, and connects to vsock_socket + "_PORT"
  std::vector<std::string> share_sockets;  ///< in the order of VmSpec::shares
  std::string tap = {};                    ///< attached by name, made and filtered by somebody else; "": no card
  std::string mac = {};                    ///< the guest's, of the card behind it
};

/// What differs between hosts and versions.
struct CloudHypervisorFeatures {
  bool landlock = false;  ///< the VMM confines itself to the files named in the request (v41, Linux 6.2)
};

/// The body of vm.create. `kernel_cmdline` as kernel_cmdline(spec). Throws Error when share_sockets does not match the
/// shares.
nlohmann::json render_vm_create(const VmSpec& spec, const CloudHypervisorPaths& paths,
                                const std::string& kernel_cmdline, const CloudHypervisorFeatures& features);

/// The body of vm.add-fs: one more share for a running VM.
nlohmann::json render_add_share(const ShareSpec& share, const std::string& socket);
/// The body of vm.remove-device for a share.
nlohmann::json render_remove_share(const std::string& tag);
/// The name cloud-hypervisor knows a share's device by.
std::string share_device_id(const std::string& tag);

}  // namespace agentvm::vmspec
