// own_program.hpp - the other programs of agentvm, and this one.
#pragma once

#include <optional>
#include <string>

namespace agentvm::host {

/// This program's file, links resolved (/proc/self/exe).
std::string own_executable();

/// One of ours ("agentvm-supervisor", "agentvm-guest", "agentvm-reaper"): the variable ("AGENTVM_SUPERVISOR",
/// "AGENTVM_GUEST", "AGENTVM_REAPER") if set, else beside this program, else in ../libexec/agentvm. nullopt: not there.
std::optional<std::string> find_own_program(const std::string& name);
/// Likewise; throws an Error that says where it was looked for.
std::string own_program(const std::string& name);

}  // namespace agentvm::host
