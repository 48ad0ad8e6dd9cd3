// memory_file.hpp - an anonymous file in memory, for what a child reads by a descriptor.
#pragma once

#include <string_view>

#include "base/unique_fd.hpp"

namespace agentvm {

/// CLOEXEC, with this content, read from its beginning by whoever inherits it. `name` is for /proc alone. Throws Error
/// when it cannot be made.
UniqueFd memory_file(const char* name, std::string_view content);

}  // namespace agentvm
