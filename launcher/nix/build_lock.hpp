// build_lock.hpp - one build of one thing at a time, whoever asks.
#pragma once

#include <string>

#include "base/file.hpp"

namespace agentvm::image {

/// Waits for whoever builds the same thing now, for as long as it takes. The file and its directory are made; when
/// `agentvm gc` takes them away meanwhile, they are made again. Throws Error when they cannot be.
FileLock lock_build(const std::string& path);

}  // namespace agentvm::image
