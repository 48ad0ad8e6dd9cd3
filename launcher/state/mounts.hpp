// mounts.hpp - what is mounted below a directory.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace agentvm::state {

/// Mount points at or below the directories, deepest first, from a text in the form of /proc/PID/mountinfo (proc(5)).
std::vector<std::string> mount_points(std::string_view mountinfo, const std::vector<std::string>& directories);
/// Likewise, of this process's mount namespace.
std::vector<std::string> mounts_below(const std::vector<std::string>& directories);

}  // namespace agentvm::state
