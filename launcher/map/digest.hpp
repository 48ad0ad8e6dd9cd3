// digest.hpp - a short name for a text.
#pragma once

#include <string>
#include <string_view>

namespace agentvm::batch {

/// FNV-1a (64 bits) as 16 hexadecimal digits: it tells texts apart that somebody edited; nobody gains by forging one.
std::string digest_of(std::string_view text);

}  // namespace agentvm::batch
