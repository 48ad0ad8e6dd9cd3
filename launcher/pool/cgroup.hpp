// cgroup.hpp - a cgroup for each VM of a pool, below one that was given to us.
//
// By cgroup v2 (Documentation/admin-guide/cgroup-v2.rst) and by systemd's rules for who may touch which
// (CGROUP_DELEGATION.md): below a unit with Delegate= everything is the unit's.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

namespace agentvm::pool {

/// What one VM may take, with its keeper, its VMM and the servers of the pool's own shares. 0: as much as there is.
struct VmLimits {
  std::uint64_t memory_max = 0;  ///< bytes; at the limit the kernel ends the VM as a whole
  unsigned cpu_weight = 0;       ///< 1..10000; the kernel's default is 100
  bool operator==(const VmLimits&) const = default;
};

class CgroupTree {
 public:
  /// Below the own cgroup, which this process leaves for its child `poold`. Throws Error when there is no cgroup v2, or
  /// when it is not ours to change.
  static CgroupTree of_own();
  /// What of_own() changed in the own cgroup, back: a service manager starts nobody in one whose controllers are given
  /// to children. Limits of VMs are off until of_own() and limit() are called again.
  static void release_own();

  /// A directory of cgroup v2 whose children are ours, for tests.
  explicit CgroupTree(std::string directory) : directory_(std::move(directory)) {}

  /// Makes the VM's, with its limits, and puts the process into it. Throws Error naming the limit that the kernel has
  /// no controller for here.
  void put(const std::string& vm, pid_t process, const VmLimits& limits) const;
  /// The limits of one that is there; none: nothing happens. Throws Error.
  void limit(const std::string& vm, const VmLimits& limits) const;
  /// Removes those without a process.
  void sweep() const noexcept;

 private:
  std::string directory_;
};

}  // namespace agentvm::pool
