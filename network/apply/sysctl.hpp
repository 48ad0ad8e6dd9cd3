// sysctl.hpp - network settings of the kernel, in the network namespace of the caller.
#pragma once

#include <string>

namespace agentvm::network {

/// /proc/sys/net/ipv4/ip_forward.
bool forwarding();
/// Throws Error.
void set_forwarding(bool on);
/// No IPv6 on a link, not even a link-local address. A kernel without IPv6 is no error.
void disable_ipv6(const std::string& link);

}  // namespace agentvm::network
