// sweep_lock.cpp - the sweeper's mark in the lock file.
#include "launcher/state/sweep_lock.hpp"

#include <poll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>

#include "base/error.hpp"

namespace agentvm::state {

namespace {

constexpr std::string_view mark = "sweep\n";
using Clock = std::chrono::steady_clock;

/// Until something of the directory is removed or changed, or the time is up.
void wait_for_change(const std::string& directory, std::chrono::milliseconds limit) {
  const UniqueFd watch(inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (!watch || inotify_add_watch(watch.get(), directory.c_str(), IN_DELETE_SELF | IN_DELETE | IN_CLOSE) < 0) return;
  pollfd item{watch.get(), POLLIN, 0};
  poll(&item, 1, static_cast<int>(std::max<std::int64_t>(limit.count(), 0)));
}

}  // namespace

bool held_by_sweeper(const VmPaths& paths) {
  try {
    return read_file_if_exists(paths.lock(), 4096) == mark;
  } catch (const Error&) {
    return false;
  }
}

SweepClaim claim_for_sweep(const VmPaths& paths, std::chrono::milliseconds limit, std::optional<FileLock>& lock) {
  const auto deadline = Clock::now() + limit;
  for (;;) {
    if (access(paths.state_dir.c_str(), F_OK) < 0) return SweepClaim::ours;
    try {
      lock = FileLock::try_acquire(paths.lock());
    } catch (const Error&) {
      // The directory went away between the two looks, or cannot be written: the caller's removal will say which.
      return SweepClaim::ours;
    }
    if (lock) {
      if (ftruncate(lock->fd(), 0) == 0) write_all(lock->fd(), mark, "marking " + paths.lock());
      return SweepClaim::ours;
    }
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now());
    if (left.count() <= 0) return held_by_sweeper(paths) ? SweepClaim::swept_by_another : SweepClaim::alive;
    // A living VM keeps its lock; an is_alive() of somebody else holds it for an instant only.
    if (!held_by_sweeper(paths)) {
      const bool alive = FileLock::is_held(paths.lock());
      if (alive && !held_by_sweeper(paths)) return SweepClaim::alive;
      continue;
    }
    wait_for_change(paths.state_dir, std::min(left, std::chrono::milliseconds(50)));
  }
}

}  // namespace agentvm::state
