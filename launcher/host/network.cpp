// network.cpp - asks for agentvm-netd.
#include "launcher/host/network.hpp"

#include "base/error.hpp"
#include "launcher/host/own_program.hpp"

namespace agentvm::host {

network::NetdAccess netd_here() {
  return network::netd_access(find_own_program("agentvm-netd").value_or(""));
}

vmspec::HostFacts::Nat nat_facts() {
  const network::NetdAccess access = netd_here();
  const auto obstacle = network::lease_obstacle(access);
  if (obstacle) return {.works = false, .running = false, .reason = obstacle->what(), .hint = obstacle->hint()};
  return {.works = true, .running = network::netd_listens(access)};
}

}  // namespace agentvm::host
