// sysctl.hpp - network settings of the kernel, in the network namespace of the caller.
#pragma once

#include <string>

namespace agentvm::network {

/// /proc/sys/net/ipv4/ip_forward.
bool forwarding();
/// Of all links, and with them accept_redirects: to on when forwarding goes off, and the reverse (the kernel's
/// inet_forward_change). Throws Error.
void set_forwarding(bool on);
/// Of one link ("default": of those to come); a link that is gone does not forward, and is no error to set.
bool forwarding_of(const std::string& link);
void set_forwarding_of(const std::string& link, bool on);
/// /proc/sys/net/ipv4/conf/all/accept_redirects.
bool accept_redirects();
void set_accept_redirects(bool on);
/// No IPv6 on a link, not even a link-local address. A kernel without IPv6 is no error.
void disable_ipv6(const std::string& link);

}  // namespace agentvm::network
