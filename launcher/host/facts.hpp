// facts.hpp - looks at the host once, so that planning can be pure.
#pragma once

#include <map>
#include <string>

#include "base/held_directory.hpp"
#include "launcher/state/vm_directory.hpp"
#include "vmspec/plan/host_facts.hpp"
#include "vmspec/plan/plan.hpp"

namespace agentvm::host {

/// What the paths of NeededFacts led to, by HostFacts::PathFacts::real.
using HeldDirectories = std::map<std::string, HeldDirectory>;

/// Everything make_vm_spec must know. `workspace` is the directory whose owner is asked for; exposed directories are
/// held in `exposed`. Starts no process but `--version` of programs not seen before (version_cache.hpp), and none that
/// may not be started (base/startable.hpp).
vmspec::HostFacts gather_facts(const vmspec::NeededFacts& needed, const state::Roots& roots,
                               const HeldDirectory& workspace, HeldDirectories& exposed);

}  // namespace agentvm::host
