// fuse_attack.hpp - what a guest kernel could ask of the workspace's virtiofsd, asked without any kernel in between.
#pragma once

namespace agentvm::hostile {

/// Speaks FUSE to the share "workspace" through a virtqueue of its own and prints one line for each request:
/// "hostile: WHAT: ANSWER". Everything it tries reaches for something outside the share. Throws Error when it cannot
/// get at the device, so that a test never takes silence for safety.
void attack_share();

}  // namespace agentvm::hostile
