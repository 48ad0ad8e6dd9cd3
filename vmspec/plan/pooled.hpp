// pooled.hpp - VMs of a pool: their plan before anybody has claimed one, and what of it a run takes over.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "vmspec/plan/plan.hpp"
#include "vmspec/plan/vm_spec.hpp"

namespace agentvm::vmspec {

/// What a VM has from its boot on and keeps.
struct MachineShape {
  unsigned vcpus = 1;
  std::uint64_t memory_bytes = 0;
  std::uint64_t disk_bytes = 0;
  std::string system;  ///< in words, such as "the host's own under Linux 6.1.0"; VMs with the same words have the same
  bool operator==(const MachineShape&) const = default;
};
MachineShape shape_of(const VmSpec& spec);
/// Why a run cannot go on a pool's VM, as "the pool's VMs have 2GiB of memory, and this run wants 4GiB"; "" when it
/// can.
std::string shape_difference(const MachineShape& run, const MachineShape& pooled);

/// The plan of a VM that nobody has asked for yet: the profile's machine and system, and nothing of a run. It has no
/// workspace, no agent, no key, no network card; `request` gives it its name and ids. What is wrong is added to
/// `problems`, as by make_vm_spec. It needs no facts of NeededFacts.
VmSpec make_pooled_spec(const Profile& profile, const HostFacts& facts, const RunRequest& request,
                        std::vector<Problem>& problems);

/// How many of a run's shares a pool's VM has not got: all but the system's.
unsigned shares_of_run(const VmSpec& run);
/// Makes a run's plan one on `pooled`, a VM of `pool`: its machine and its system, and the shares that it has already.
void move_into(VmSpec& run, const std::string& pool, const VmSpec& pooled, bool shared_links);

nlohmann::json to_json(const MachineShape& shape);
/// Throws Error naming the member that is wrong.
MachineShape machine_shape_from_json(const nlohmann::json& json);

}  // namespace agentvm::vmspec
