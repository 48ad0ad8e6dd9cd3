// own_program.hpp - the other programs of agentvm, and this one.
#pragma once

#include <optional>
#include <string>

namespace agentvm::host {

/// This program's file, links resolved (/proc/self/exe).
std::string own_executable();

/// One of ours ("agentvm", "agentvm-supervisor", "agentvm-guest", "agentvm-reaper", "agentvm-netd"): the variable of
/// that name ("AGENTVM", "AGENTVM_SUPERVISOR", ...) if set; else beside this program, in ../libexec/agentvm or in
/// ../../bin. nullopt: it is not there, or this user may not start it.
std::optional<std::string> find_own_program(const std::string& name);
/// The same search from where `program` lies, without the variable: what that program itself would find.
std::optional<std::string> find_program_beside(const std::string& program, const std::string& name);
/// Likewise; throws an Error that says where it was looked for.
std::string own_program(const std::string& name);

}  // namespace agentvm::host
