// boot.hpp - what PID 1 does with a bare kernel before it serves anybody.
#pragma once

#include <cstdint>
#include <string_view>

#include "guest/transport.hpp"

namespace agentvm::guest {

/// Our keys of the kernel command line; others are not ours to judge.
struct BootOptions {
  std::uint64_t disk_bytes = 0;                    ///< agentvm.disk=BYTES: size of the root; 0: the kernel's default
  Transport transport = Transport::virtio_serial;  ///< agentvm.transport=virtio-serial|vsock
};
/// Throws Error naming the key, its value and the rule.
BootOptions parse_boot_options(std::string_view command_line);

/// /proc, /sys, /dev with pts, shm and the links of stdio, cgroups. Throws Error.
void mount_kernel_filesystems();
/// Makes sure that 0, 1 and 2 are open, on the console where there is one.
void open_stdio() noexcept;
/// lo, limits, the kernel's own words on the console. What fails is not worth a VM.
void configure_kernel() noexcept;

/// One sentence on stderr: PID 1's is the console.
void say(std::string_view sentence) noexcept;

}  // namespace agentvm::guest
