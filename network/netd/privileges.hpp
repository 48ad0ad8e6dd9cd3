// privileges.hpp - gives up every capability that netd does not need.
#pragma once

namespace agentvm::network {

/// Keeps CAP_NET_ADMIN for netd itself, and CAP_NET_BIND_SERVICE, CAP_SETUID, CAP_SETGID and CAP_KILL to start dnsmasq
/// as another user and to stop it. For good: the bounding set goes too, and no program started later gains any. Throws
/// Error when CAP_NET_ADMIN is not there to begin with.
void keep_network_privileges();

}  // namespace agentvm::network
