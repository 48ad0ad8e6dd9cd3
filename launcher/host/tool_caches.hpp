// tool_caches.hpp - the caches that may hold kernels and tools: the caller's, then the machine's.
#pragma once

#include <string>
#include <vector>

namespace agentvm::host {

/// The caller's cache, then the one that root's `./dev setup` fills for everybody (/var/cache/agentvm, or what the
/// variable AGENTVM_MACHINE_CACHE names). The machine's counts only when it belongs to root and nobody else may write
/// to it, because programs are started from there.
std::vector<std::string> tool_caches(const std::string& cache_dir);

}  // namespace agentvm::host
