// record.hpp - the VM's record on disk: what a later process needs to take away what a killed supervisor left.
#pragma once

#include <sys/types.h>

#include <string>

#include "launcher/state/vm_directory.hpp"

namespace agentvm::supervisor {

/// Writes state.json at each change. A disk that takes nothing costs the record, never the run: processes are also
/// found by the VM's uuid. So nothing here throws.
class Record {
 public:
  /// `paths` outlives it.
  Record(const state::VmPaths& paths, const std::string& name, const std::string& uuid);

  void enter(const std::string& phase) noexcept;
  void add(const std::string& role, pid_t pid) noexcept;
  void set_exit_code(int code) noexcept { state_.exit_code = code; }
  /// The last phase of a VM whose logs stay. False: it could not be written.
  bool keep() noexcept;

  const state::VmState& state() const noexcept { return state_; }

 private:
  bool write() noexcept;

  const state::VmPaths& paths_;
  state::VmState state_;
  bool complained_ = false;
};

}  // namespace agentvm::supervisor
