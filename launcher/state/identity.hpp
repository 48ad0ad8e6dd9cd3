// identity.hpp - fresh random identities of a VM.
#pragma once

#include <cstddef>
#include <string>

namespace agentvm::state {

/// A random UUID (RFC 4122, version 4), lower case, from getrandom(2).
std::string random_uuid();
/// At most 256, from getrandom(2). Throws Error.
std::string random_bytes(std::size_t count);
/// 32 hex digits, as in /etc/machine-id.
std::string random_machine_id();

}  // namespace agentvm::state
