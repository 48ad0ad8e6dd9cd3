// claim.hpp - asks a pool for one of its VMs.
#pragma once

#include <chrono>
#include <string>

#include "launcher/claim/claimed_vm.hpp"
#include "launcher/claim/messages.hpp"
#include "launcher/state/vm_directory.hpp"

namespace agentvm::pool {

/// Of this machine's pools; its group is agentvm.
inline constexpr char system_socket[] = "/run/agentvm-pool/pool.sock";

/// Where agentvm-poold is asked: $AGENTVM_POOL_SOCKET, else the user's own when it answers there, else the system's.
std::string pool_socket(const state::Roots& roots);
/// Where the user's own listens.
std::string own_socket(const state::Roots& roots);

/// What came of asking.
struct Claiming {
  std::string refusal;  ///< a sentence; "": claimed
  ClaimedVm vm;
  vmspec::VmSpec spec;  ///< of the pooled VM
};

/// Asks for a VM and waits for it, a few seconds at most. A pool that has none, or does not answer, is a refusal; wrong
/// answers are an Error.
Claiming claim_vm(const std::string& socket, const Claim& claim);

/// The profile of a pool's VMs; "" where there is no such pool, or nobody to ask.
std::string profile_of_pool(const std::string& socket, const std::string& pool);

/// One request to agentvm-poold that is answered by its status, which a drain waits for. Throws Error, also when nobody
/// listens, or answers in time.
nlohmann::json ask_poold(const std::string& socket, const std::string& name, const nlohmann::json& body,
                         std::chrono::milliseconds limit = std::chrono::minutes(1));

}  // namespace agentvm::pool
