// devshell.hpp - guest.devshell: the workspace's devShell, found or to be built.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/held_directory.hpp"
#include "launcher/state/vm_directory.hpp"
#include "vmspec/plan/host_facts.hpp"

namespace agentvm::commands {

/// Fills in facts.devshell, or why there can be none; facts.programs are there already. `again`: one that is built
/// shall be built anew. Starts no process.
void look_for_devshell(const HeldDirectory& workspace, const state::Roots& roots, vmspec::HostFacts& facts,
                       bool again = false);

/// Has Nix build it, unless it is built (`again`: even then). Throws Error that says what Nix complained about.
vmspec::DevShell build_devshell(const HeldDirectory& workspace, const vmspec::HostFacts& facts,
                                const state::Roots& roots, const std::function<void(std::string_view line)>& progress,
                                bool again = false);

}  // namespace agentvm::commands
