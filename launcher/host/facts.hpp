// facts.hpp - looks at the host once, so that planning can be pure.
#pragma once

#include <string>

#include "launcher/state/vm_directory.hpp"
#include "vmspec/plan/host_facts.hpp"
#include "vmspec/plan/plan.hpp"

namespace agentvm::host {

/// Everything make_vm_spec must know. `workspace` is an existing directory whose owner is asked for. Starts no process
/// but `--version` of programs not seen before (version_cache.hpp).
vmspec::HostFacts gather_facts(const vmspec::NeededFacts& needed, const state::Roots& roots,
                               const std::string& workspace);

}  // namespace agentvm::host
