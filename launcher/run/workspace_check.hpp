// workspace_check.hpp - which directories may be handed to a guest.
#pragma once

#include <string>

#include "base/held_directory.hpp"
#include "launcher/state/vm_directory.hpp"

namespace agentvm::commands {

/// The workspace, held from here on; links in `path` are followed once. Throws a usage Error when it is missing, no
/// directory, not readable, reached through another user's link, a directory of the system, the home or something
/// around it, or when it holds (by name, by a link or by a second mount) what decides about the host in later runs: the
/// user's profiles and the machine's, agentvm's own programs, and what agentvm keeps.
HeldDirectory check_workspace(const std::string& path, const state::Roots& roots);

/// The directory we stand in, if a run would take it as its workspace; else "".
std::string workspace_here(const state::Roots& roots);

}  // namespace agentvm::commands
