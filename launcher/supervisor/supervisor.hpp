// supervisor.hpp - one process per VM: brings it up, serves its callers, takes it down, and leaves nothing.
//
// The life, in the order of the code: plan read, lock taken -> sockets, reaper -> shares, gateways, VMM -> links ->
// setup -> ready -> agent -> (kept, or) teardown in reverse -> report -> directories gone. Each act is preceded by a
// record in state.json. Everything runs on one thread; the only other threads are the hypervisor's.
#pragma once

#include <boost/asio/io_context.hpp>
#include <memory>
#include <string>
#include <vector>

#include "base/file.hpp"
#include "base/held_directory.hpp"
#include "base/unique_fd.hpp"
#include "launcher/state/vm_directory.hpp"
#include "vmspec/plan/vm_spec.hpp"

namespace agentvm::supervisor {

/// What the supervisor is started with.
struct SupervisorOptions {
  vmspec::VmSpec spec;
  state::Roots roots;
  state::VmPaths paths;
  FileLock lock;
  UniqueFd owner;                          ///< the starter's connection; may be none
  std::vector<HeldDirectory> directories;  ///< of spec.shares, in its order
  HeldDirectory report_directory;          ///< of spec.report_file; none without one
  std::string agentvm;                     ///< absolute paths of the programs beside us
  std::string reaper;
};

/// Lives until the VM is gone, then ends the process: 0, or 125 when the run failed in agentvm itself. Throws Error
/// when the life could not begin; the caller then still owns what is on disk.
void supervise(SupervisorOptions options);

}  // namespace agentvm::supervisor
