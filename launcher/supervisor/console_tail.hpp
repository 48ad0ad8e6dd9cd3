// console_tail.hpp - the part of a guest's console that says why it ended.
#pragma once

#include <string>

namespace agentvm::supervisor {

/// The last 25 lines of the log at `path`, of 8 KiB at most; from before a panic's first words when there was one,
/// since its trace may be longer than that. "" when it cannot be read. The guest's own bytes: to be cleaned before they
/// are shown.
std::string console_tail(const std::string& path);

}  // namespace agentvm::supervisor
