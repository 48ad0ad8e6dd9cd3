// connections.hpp - the kernel's table of connections (nf_conntrack).
#pragma once

#include "network/plan/address.hpp"

namespace agentvm::network {

/// Forgets every connection from or to an address, so that its next holder gets nothing of the last one's. Throws
/// Error; a kernel without nf_conntrack_netlink is one.
void forget_connections(Ipv4 address);

}  // namespace agentvm::network
