// memory_of.hpp - what a VM costs its host.
#pragma once

#include <cstdint>
#include <vector>

#include "launcher/state/vm_directory.hpp"

namespace agentvm::pool {

/// The memory that these processes have of the host, bytes: each one's share of what it maps (Pss of
/// /proc/PID/smaps_rollup, proc(5)). What is gone or not ours to read counts as nothing.
std::uint64_t memory_of(const std::vector<state::ProcessRecord>& processes);

}  // namespace agentvm::pool
