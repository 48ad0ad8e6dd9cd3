// guest_places.hpp - the directories that some guest of this user writes in, or has written in.
//
// STATE/guest-places has a line for each. A run adds its workspace before its guest starts, and nothing takes one out:
// what an agent left in a workspace stays there, and the next run may be another directory's. A line that is too much
// can be deleted with an editor.
#pragma once

#include <string>
#include <vector>

#include "launcher/state/vm_directory.hpp"

namespace agentvm::state {

/// All of them. Throws Error when the list is there and cannot be read.
std::vector<std::string> guest_places(const Roots& roots);
/// Adds one (absolute, links resolved) unless it is there. Throws Error when it cannot be written.
void remember_guest_place(const Roots& roots, const std::string& directory);

}  // namespace agentvm::state
