// vmm_process.cpp - pid files and /proc.
#include "launcher/hypervisor/vmm_process.hpp"

#include <dirent.h>
#include <poll.h>
#include <signal.h>

#include <charconv>
#include <memory>
#include <string_view>

#include "base/directory.hpp"
#include "base/error.hpp"
#include "base/file.hpp"
#include "base/process.hpp"

namespace agentvm::hypervisor {

namespace {

pid_t to_pid(std::string_view text) noexcept {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.remove_suffix(1);
  pid_t pid = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), pid);
  return error == std::errc() && end == text.data() + text.size() && pid > 0 ? pid : -1;
}

}  // namespace

bool is_vmm_of(pid_t pid, const std::string& uuid) noexcept {
  try {
    const auto command = read_file_if_exists("/proc/" + std::to_string(pid) + "/cmdline", 1 << 20);
    const std::string marker = std::string("\0-uuid\0", 7) + uuid + std::string(1, '\0');
    return command && command->find(marker) != std::string::npos;
  } catch (const std::exception&) {
    return false;  // it ended meanwhile, or is not ours to look at
  }
}

std::vector<pid_t> find_vmm(const std::string& uuid, const std::string& pid_file) {
  if (!pid_file.empty()) {
    const auto text = read_file_if_exists(pid_file, 64);
    const pid_t pid = text ? to_pid(*text) : -1;
    if (pid > 0 && is_vmm_of(pid, uuid)) return {pid};
  }
  std::vector<pid_t> found;
  const Directory proc(opendir("/proc"));
  if (!proc) return found;
  while (const dirent* entry = readdir(proc.get())) {
    const pid_t pid = to_pid(entry->d_name);
    if (pid > 0 && is_vmm_of(pid, uuid)) found.push_back(pid);
  }
  return found;
}

void kill_vmm(const std::string& uuid, std::chrono::milliseconds wait) noexcept {
  try {
    for (const pid_t pid : find_vmm(uuid)) {
      const UniqueFd pidfd = open_pidfd(pid);
      // Looked at again behind the pidfd: the pid may belong to another process by now.
      if (!pidfd || !is_vmm_of(pid, uuid) || !signal_pidfd(pidfd.get(), SIGKILL)) continue;
      pollfd item{pidfd.get(), POLLIN, 0};
      poll(&item, 1, static_cast<int>(wait.count()));
    }
  } catch (const std::exception&) {
    // Out of memory or descriptors: libvirt's own way is left.
  }
}

}  // namespace agentvm::hypervisor
