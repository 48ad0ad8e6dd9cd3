// network.hpp - whether a VM here can have a network card behind NAT.
#pragma once

#include "network/client/lease_client.hpp"
#include "vmspec/plan/host_facts.hpp"

namespace agentvm::host {

/// Where agentvm-netd listens, and where its program is for root to start.
network::NetdAccess netd_here();

/// Asks agentvm-netd when one listens.
vmspec::HostFacts::Nat nat_facts();

}  // namespace agentvm::host
