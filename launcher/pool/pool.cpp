// pool.cpp - counting a pool's VMs.
#include "launcher/pool/pool.hpp"

#include <algorithm>

namespace agentvm::pool {

std::size_t Pool::count(const char* phase) const {
  return static_cast<std::size_t>(
      std::count_if(members.begin(), members.end(), [&](const auto& member) { return member->state.phase == phase; }));
}

std::uint64_t Pool::idle_memory() const {
  std::uint64_t bytes = 0;
  for (const auto& member : members) {
    if (member->state.phase == "idle") bytes += member->state.memory_bytes;
  }
  return bytes;
}

}  // namespace agentvm::pool
