// sweep_lock.hpp - the VM's lock as a sweeper takes it: held like a supervisor's, but marked, so that nobody takes a VM
// that is being swept for a living one.
#pragma once

#include <chrono>
#include <optional>

#include "base/file.hpp"
#include "launcher/state/vm_directory.hpp"

namespace agentvm::state {

/// Whether the lock file says that a sweeper took it. Means something only while the lock is held.
bool held_by_sweeper(const VmPaths& paths);

enum class SweepClaim { ours, alive, swept_by_another };
/// Takes the lock for a sweep. When another sweeper has it, waits until that one has removed the directory, at most
/// `limit`. The lock's name may already be unlinked when it is ours: then there is only the runtime directory left.
SweepClaim claim_for_sweep(const VmPaths& paths, std::chrono::milliseconds limit, std::optional<FileLock>& lock);

}  // namespace agentvm::state
