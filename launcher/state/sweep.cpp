// sweep.cpp - takes away everything that is left of a dead VM: processes, mounts, directories, in this order.
#include <fmt/format.h>
#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <set>
#include <string>

#include "base/error.hpp"
#include "base/file.hpp"
#include "launcher/state/mounts.hpp"
#include "launcher/state/sweep_lock.hpp"
#include "launcher/state/vm_directory.hpp"
#include "launcher/state/vm_processes.hpp"

namespace agentvm::state {

namespace {

constexpr std::chrono::milliseconds claim_limit{5000};
constexpr std::chrono::milliseconds kill_limit{3000};
/// A dying process may still fork once; nothing of ours forks for ever.
constexpr int most_rounds = 50;

void sweep_processes(const VmState& state, bool dry_run, SweepResult& result) {
  std::set<int> immortal;
  for (int round = 0; round < most_rounds; ++round) {
    bool ended_any = false;
    for (const VmProcess& process : find_processes(state.uuid, state.processes)) {
      if (immortal.count(process.pid) > 0) continue;
      const std::string words = fmt::format("process {} ({})", process.pid, process.role);
      const std::string failure = dry_run ? "" : end_process(process, kill_limit);
      if (failure.empty()) {
        ended_any = true;
        if (dry_run || std::find(result.removed.begin(), result.removed.end(), words) == result.removed.end()) {
          result.removed.push_back(words);
        }
      } else {
        immortal.insert(process.pid);
        result.failed.push_back(words + ": " + failure);
      }
    }
    if (dry_run || !ended_any) return;
  }
  result.failed.push_back("new processes of the VM kept appearing");
}

void sweep_mounts(const VmPaths& paths, bool dry_run, SweepResult& result) {
  for (const std::string& point : mounts_below({paths.runtime_dir, paths.state_dir})) {
    if (!dry_run && umount2(point.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) < 0) {
      result.failed.push_back(system_error(errno, "mount " + point).what());
    } else {
      result.removed.push_back("mount " + point);
    }
  }
}

void sweep_directory(const std::string& path, bool dry_run, SweepResult& result) {
  if (access(path.c_str(), F_OK) < 0) return;
  const std::string failure = dry_run ? "" : remove_tree(path);
  if (failure.empty()) {
    result.removed.push_back("directory " + path);
  } else {
    result.failed.push_back("directory " + path + ": " + failure);
  }
}

/// A supervisor that died between its two first acts left a spec and no state: the uuid is in both.
VmState state_or_spec(const VmPaths& paths) {
  if (auto state = read_state(paths)) return *state;
  VmState state;
  state.uuid = uuid_of_spec(paths).value_or("");
  return state;
}

}  // namespace

SweepResult sweep(const VmPaths& paths, bool dry_run) {
  SweepResult result;
  std::optional<FileLock> lock;
  if (dry_run) {
    if (FileLock::is_held(paths.lock())) return result;
  } else {
    switch (claim_for_sweep(paths, claim_limit, lock)) {
      case SweepClaim::ours:
        break;
      case SweepClaim::alive:
        return result;
      case SweepClaim::swept_by_another:
        result.failed.push_back(paths.name + " is being removed by another agentvm");
        return result;
    }
  }
  sweep_processes(state_or_spec(paths), dry_run, result);
  sweep_mounts(paths, dry_run, result);
  sweep_directory(paths.runtime_dir, dry_run, result);
  // Processes that would not die are found again only by what is written here.
  if (result.failed.empty()) sweep_directory(paths.state_dir, dry_run, result);
  return result;
}

}  // namespace agentvm::state
