// workspace_check.hpp - which directories may be handed to a guest.
#pragma once

#include <string>

#include "launcher/state/vm_directory.hpp"

namespace agentvm::commands {

/// The workspace's real, absolute path. Throws a usage Error when it is missing, no directory, not readable, a
/// directory of the system, the home or something around it, or one where agentvm keeps its own state.
std::string check_workspace(const std::string& path, const state::Roots& roots);

}  // namespace agentvm::commands
