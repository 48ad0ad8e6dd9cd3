// start.hpp - makes a VM's directories and starts its supervisor.
#pragma once

#include <string>

#include "base/unique_fd.hpp"
#include "launcher/run/plan.hpp"
#include "launcher/state/vm_directory.hpp"
#include "vmspec/plan/vm_spec.hpp"

namespace agentvm::commands {

/// A supervisor that was started, and our connection to it.
struct StartedVm {
  state::VmPaths paths;
  vmspec::VmSpec spec;
  UniqueFd connection;
  UniqueFd supervisor;  ///< pidfd; the process is never killed by us: it takes its VM down when we leave
};

/// Takes the wanted name, or for "" the first free one after the workspace's. The workspace is remembered as a place
/// that a guest writes in. Leftovers of dead VMs in the way are swept. Throws Error, leaving nothing else.
/// Where the profile names a pool, its VM is taken; a pool that has none is said, and a VM is booted.
StartedVm start_vm(const state::Roots& roots, const std::string& wanted_name, const RunPlan& plan);

/// Makes the initramfs of a host guest, or finds it made; a plan of another guest is left as it is. Throws Error.
void add_initramfs(vmspec::VmSpec& spec, const state::Roots& roots, bool network);

/// The name start_vm would take now.
std::string choose_name(const state::Roots& roots, const std::string& wanted_name, const std::string& workspace);

/// Sweeps every dead VM that is not kept. For verbs that pass by: what fails is left to `agentvm gc`.
void sweep_dead(const state::Roots& roots);

}  // namespace agentvm::commands
