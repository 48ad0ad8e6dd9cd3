// vm_lookup.hpp - from what was typed to a VM that exists.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "base/unique_fd.hpp"
#include "launcher/state/vm_directory.hpp"
#include "vmspec/plan/vm_spec.hpp"

namespace agentvm::commands {

/// The VM's paths; throws an Error with the nearest name when there is none.
state::VmPaths require_vm(const state::Roots& roots, const std::string& name);

/// The VM meant when no name was given: the one on the current directory, or the only one. Throws a usage Error that
/// lists them when that is not one.
state::VmPaths implied_vm(const state::Roots& roots);
/// require_vm, or implied_vm for "".
state::VmPaths named_or_implied_vm(const state::Roots& roots, const std::string& name);

/// spec.json; nullopt when it is not there or not readable as one.
std::optional<vmspec::VmSpec> read_spec(const state::VmPaths& paths);

/// How a VM shows: the phase of a living one, "stopped" for one whose logs are kept, "dead" for leftovers.
std::string vm_condition(const state::VmPaths& paths, const std::optional<state::VmState>& state);
/// The supervisor as it is recorded, checked to be the same process still; invalid when it is not.
UniqueFd supervisor_pidfd(const state::VmPaths& paths);
/// Waits for a process's end; false when the time is up. An invalid descriptor is that of a process that is gone.
bool wait_for_exit(const UniqueFd& pidfd, std::chrono::milliseconds limit) noexcept;
/// Whether it ended in an orderly way and is kept to be read: gc leaves it.
bool is_kept(const state::VmPaths& paths);

}  // namespace agentvm::commands
