// vmm_process.hpp - finds the QEMU of a VM, which is nobody's child, by the uuid on its command line.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <string>
#include <vector>

namespace agentvm::hypervisor {

/// Whether the process was started with "-uuid UUID".
bool is_vmm_of(pid_t pid, const std::string& uuid) noexcept;
/// The pid in `pid_file` when it is the VM's, else every process of the VM that /proc shows.
std::vector<pid_t> find_vmm(const std::string& uuid, const std::string& pid_file = {});
/// SIGKILL to every process of the VM; waits at most so long until each is gone. What cannot be killed is left.
void kill_vmm(const std::string& uuid, std::chrono::milliseconds wait) noexcept;

}  // namespace agentvm::hypervisor
