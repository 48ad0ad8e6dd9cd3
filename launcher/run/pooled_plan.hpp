// pooled_plan.hpp - the plan of a pool's VM, from a profile alone.
#pragma once

#include <string>
#include <vector>

#include "base/held_directory.hpp"
#include "launcher/state/vm_directory.hpp"
#include "vmspec/plan/vm_spec.hpp"

namespace agentvm::commands {

struct PooledPlan {
  vmspec::VmSpec spec;                     ///< with its initramfs, where the guest has one of ours
  std::vector<HeldDirectory> directories;  ///< of spec.shares, in its order
};

/// Reads the profile, looks at this host, and has the guest built where it is not. Throws an Error with all that stands
/// against it.
PooledPlan plan_pooled(const std::string& name, const std::string& profile, const state::Roots& roots);

}  // namespace agentvm::commands
