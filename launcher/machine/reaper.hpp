// reaper.hpp - the supervisor's side of agentvm-reaper, the process that ends a VM whose supervisor was killed.
//
// What libvirt starts is not our child and outlives a kill -9 of whoever asked for it. So a tiny program is started
// first, is sent a pidfd of everything the VM consists of, and waits for its socket to close: if the supervisor did not
// say goodbye before, the reaper kills all of it and runs `agentvm gc --vm NAME`, which removes what lies around.
#pragma once

#include <string>

#include "base/process.hpp"
#include "base/unique_fd.hpp"

namespace agentvm::machine {

class Reaper {
 public:
  /// Starts the program; throws Error when it cannot be.
  Reaper(const std::string& program, const std::string& agentvm, const std::string& vm_name);

  /// Hands over a process (ours or not); unknown pids are ignored, they are gone already.
  void watch(pid_t pid);
  /// The VM is gone in an orderly way: the reaper ends without doing anything.
  void dismiss() noexcept;
  int pidfd() const noexcept { return process_.pidfd(); }
  pid_t pid() const noexcept { return process_.pid(); }

 private:
  UniqueFd socket_;
  ChildProcess process_;
};

}  // namespace agentvm::machine
