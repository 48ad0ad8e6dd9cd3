// neighbours.hpp - other VMs that work on the same files as a run is about to.
#pragma once

#include <optional>
#include <string>

#include "base/held_directory.hpp"
#include "launcher/state/vm_directory.hpp"

namespace agentvm::commands {

/// A sentence about this user's living VMs whose workspace is this one, holds it or lies in it: what they cannot know
/// of each other, and what to do. nullopt: there is none.
std::optional<std::string> neighbours_note(const state::Roots& roots, const HeldDirectory& workspace);

}  // namespace agentvm::commands
