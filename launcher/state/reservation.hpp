// reservation.hpp - takes a VM's name: its state directory appears at once with its lock held, or not at all.
#pragma once

#include <optional>
#include <string>

#include "base/file.hpp"
#include "launcher/state/vm_directory.hpp"

namespace agentvm::state {

/// A state directory that is ours. The lock is handed to the supervisor; whoever keeps it keeps the VM alive.
struct Reservation {
  VmPaths paths;
  FileLock lock;
};

/// Makes the state directory (0700, with its lock taken) and the runtime directory. nullopt: the name is in use.
/// Leftovers of a dead VM of that name are not removed here: sweep them first. Throws Error when the directories cannot
/// be made, and leaves nothing behind then.
std::optional<Reservation> reserve(const Roots& roots, const std::string& name);

/// Reservations whose maker died half-way: `dry_run` only counts them. Returns the directories.
std::vector<std::string> prune_unfinished(const Roots& roots, bool dry_run);

}  // namespace agentvm::state
