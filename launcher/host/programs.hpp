// programs.hpp - where the programs of the host are that a VM is made of.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "launcher/state/vm_directory.hpp"

namespace agentvm::host {

/// Oldest virtiofsd with id translation (--translate-uid); the C one of QEMU before 8.0 has another command line.
inline constexpr std::string_view oldest_virtiofsd = "1.13";

/// Finds a program by its short name: AGENTVM_<NAME> if set (an absolute path; one that cannot be started is "not
/// found", never replaced by another), PATH, the places distributions use (/usr/libexec, /usr/lib/qemu, ...), then
/// CACHE/tools/bin and CACHE/tools/NAME/bin of each of tool_caches. "qemu" is qemu-system-<this machine>; a virtiofsd
/// that is too old is passed over, and so is whatever may not be started (base/startable.hpp).
std::optional<std::string> find_tool(const std::string& name, const std::string& cache_dir);

/// What find_tool passed over (or refused) because a guest may write there: "/W/.venv/bin/qemu is not started, because
/// a guest may write in /W". `name` may be a path, "~/" allowed. nullopt: nothing was.
std::optional<std::string> find_forbidden_tool(const std::string& name);

/// All that a plan may need and that are there: qemu, virtiofsd, bwrap, sudo, cloud-hypervisor, nix, git, python3.
std::map<std::string, std::string> find_tools(const std::string& cache_dir);

/// "AGENTVM_CLOUD_HYPERVISOR" for "cloud-hypervisor".
std::string tool_variable(std::string_view name);

/// From now on this process, and what it passes its PATH on to, starts nothing that a guest may write: of `workspace`
/// ("": of none yet) and of every directory that a guest of this user has written in (launcher/state/guest_places.hpp).
/// Looks at $PATH and sets it. Call it before there are threads.
void keep_to_startable(const state::Roots& roots, const std::string& workspace);

}  // namespace agentvm::host
