// record.hpp - the VM's record on disk: what a later process needs to take away what a killed one left.
#pragma once

#include <sys/types.h>

#include <string>

#include "launcher/state/vm_directory.hpp"

namespace agentvm::state {

/// Writes state.json at each change. A disk that takes nothing costs the record, never the run: processes are also
/// found by the VM's uuid. So nothing here throws.
class Record {
 public:
  /// `paths` outlives it.
  Record(const VmPaths& paths, const std::string& name, const std::string& uuid);

  void enter(const std::string& phase) noexcept;
  void add(const std::string& role, pid_t pid) noexcept;
  void set_exit_code(int code) noexcept { state_.exit_code = code; }
  /// The last phase of a VM whose logs stay. False: it could not be written.
  bool keep() noexcept;

  const VmState& state() const noexcept { return state_; }

 private:
  bool write() noexcept;

  const VmPaths& paths_;
  VmState state_;
  bool complained_ = false;
};

}  // namespace agentvm::state
