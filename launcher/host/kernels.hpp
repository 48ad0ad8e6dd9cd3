// kernels.hpp - the kernels on this host that a guest can be booted with.
#pragma once

#include <string>
#include <vector>

#include "vmspec/plan/host_facts.hpp"

namespace agentvm::host {

/// A kernel that cannot serve, for `agentvm doctor`.
struct SkippedKernel {
  std::string path;
  std::string reason;  ///< one clause
};

struct KernelSearch {
  std::vector<vmspec::KernelFacts> found;  ///< best first
  std::vector<SkippedKernel> skipped;
};

/// Looks, in this order, at AGENTVM_KERNEL (with AGENTVM_MODULES, the directory lib/modules/VERSION), then
/// CACHE/kernel/*/{boot/vmlinuz-V,lib/modules/V} from the newest version on (in each of tool_caches), the running
/// kernel's /boot/vmlinuz-V with /lib/modules/V, and the other ones in /boot. Only what the caller can read counts, and
/// only kernels that have virtio PCI, virtio-console and virtiofs as modules or built in.
KernelSearch search_kernels(const std::string& cache_dir);

/// The kernels that can serve; see search_kernels.
std::vector<vmspec::KernelFacts> find_kernels(const std::string& cache_dir);

}  // namespace agentvm::host
