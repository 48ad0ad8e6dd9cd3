// entropy.hpp - the host's randomness in the guest's random numbers.
#pragma once

#include <string_view>

namespace agentvm::guest {

/// Mixes bytes into the kernel's pool, counts them as entropy, and has the generator take its next key from the pool
/// (random(4): RNDADDENTROPY; RNDRESEEDCRNG, Linux 4.14). Needs root. Throws Error.
void mix_entropy(std::string_view bytes);

}  // namespace agentvm::guest
