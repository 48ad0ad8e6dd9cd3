// capacity.hpp - how many VMs of some tasks this machine has room for.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "launcher/map/prepared_task.hpp"

namespace agentvm::batch {

struct Capacity {
  unsigned cpus = 1;               ///< this process may use
  std::uint64_t memory_bytes = 0;  ///< free, or to be freed at once (MemAvailable)
};
Capacity capacity_here();

/// What a VM takes of the host beside its own memory: VMM, virtiofsd, supervisor.
inline constexpr std::uint64_t overhead_bytes = std::uint64_t{256} << 20;

struct JobCount {
  unsigned jobs = 1;
  std::string reason;  ///< "2 CPUs, and 21 GiB of memory for VMs of 4 GiB"
};
/// As many as there are CPUs, and as fit into the memory if each were as large as the largest; at least 1, at most one
/// for each task.
JobCount default_jobs(const std::vector<PreparedTask>& tasks, const Capacity& capacity);

}  // namespace agentvm::batch
