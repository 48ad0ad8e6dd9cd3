// link_attack.hpp - ways to misuse the two links.
#pragma once

#include <string>

namespace agentvm::hostile {

/// "silent", "garbage", "pings", "settings", "streams", "resets", "headers", "answers", "half-frame". Returns when the
/// host has hung up, where the way of misuse ever notices that; throws Error.
void attack_links(const std::string& way, int control, int services);

}  // namespace agentvm::hostile
