// guest_places.hpp - the directories that some guest of this user writes in, or has written in.
//
// STATE/guest-places/N is a link to each, never followed: a link is there whole or not at all, on a full disk too. A
// run adds its workspace before its guest starts, and nothing takes one out: what an agent left in a workspace stays
// there, and the next run may be another directory's. One that is too much is removed with rm.
#pragma once

#include <string>
#include <vector>

#include "launcher/state/vm_directory.hpp"

namespace agentvm::state {

/// All of them. Throws Error when the directory is there and cannot be read.
std::vector<std::string> guest_places(const Roots& roots);
/// Adds one (absolute, links resolved) unless it is there. Throws Error when it cannot be made.
void remember_guest_place(const Roots& roots, const std::string& directory);

}  // namespace agentvm::state
