// uevents.hpp - hears from the kernel that a device has come or changed (netlink(7), NETLINK_KOBJECT_UEVENT).
#pragma once

#include <chrono>

#include "base/unique_fd.hpp"

namespace agentvm::guest {

/// Open it before loading drivers: what happens from then on is not missed.
class UeventSocket {
 public:
  /// Throws Error.
  UeventSocket();
  /// Waits for at least one event and takes all that are there; false: the deadline passed. What happened is for the
  /// caller to look up in /sys: an event may be lost when many come at once, its trace there is not.
  bool wait_until(std::chrono::steady_clock::time_point deadline) const;

 private:
  UniqueFd fd_;
};

}  // namespace agentvm::guest
