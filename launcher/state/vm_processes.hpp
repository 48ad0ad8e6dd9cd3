// vm_processes.hpp - finds and ends the processes of a VM, whoever started them.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "launcher/state/vm_directory.hpp"

namespace agentvm::state {

/// A process that belongs to a VM, and why we think so.
struct VmProcess {
  int pid = 0;
  std::uint64_t start_time = 0;
  std::string role;  ///< of the record, or the program's name
};

/// The processes that carry the uuid, in their environment (AGENTVM_INSTANCE) or on their command line (-uuid), and the
/// recorded ones that are still the same. Never this process.
std::vector<VmProcess> find_processes(const std::string& uuid, const std::vector<ProcessRecord>& records);

/// SIGKILL, and waits for the end, at most `limit`. "" when it is gone, else why not.
std::string end_process(const VmProcess& process, std::chrono::milliseconds limit);

}  // namespace agentvm::state
