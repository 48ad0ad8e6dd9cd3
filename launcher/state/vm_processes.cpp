// vm_processes.cpp - looks through /proc for a VM's processes.
#include "launcher/state/vm_processes.hpp"

#include <dirent.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <memory>

#include "base/directory.hpp"
#include "base/error.hpp"
#include "base/file.hpp"
#include "base/process.hpp"

namespace agentvm::state {

namespace {

/// A file of /proc/PID, "" when it cannot be read: the process went away or belongs to somebody else.
std::string read_proc(int pid, const char* file) {
  try {
    return read_file_if_exists(fmt::format("/proc/{}/{}", pid, file), std::size_t{4} << 20).value_or("");
  } catch (const Error&) {
    return {};
  }
}

/// Whether one of the NUL-terminated words, or two neighbouring ones, are these.
bool has_words(const std::string& text, const std::string& words) {
  for (std::size_t at = text.find(words); at != std::string::npos; at = text.find(words, at + 1)) {
    const bool starts = at == 0 || text[at - 1] == '\0';
    const std::size_t end = at + words.size();
    // QEMU's "-uuid X" may be followed by a comma-separated property, never by more of the word itself.
    if (starts && (end == text.size() || text[end] == '\0')) return true;
  }
  return false;
}

/// A dead process that its parent has not asked about yet: nothing of it is left but its number.
bool is_zombie(int pid) {
  const std::string text = read_proc(pid, "stat");
  const auto after_name = text.rfind(')');
  return after_name != std::string::npos && text.size() > after_name + 2 && text[after_name + 2] == 'Z';
}

std::string program_name(int pid) {
  std::string name = read_proc(pid, "comm");
  if (!name.empty() && name.back() == '\n') name.pop_back();
  return name.empty() ? "process" : name;
}

}  // namespace

std::vector<VmProcess> find_processes(const std::string& uuid, const std::vector<ProcessRecord>& records) {
  std::vector<VmProcess> found;
  for (const ProcessRecord& record : records) {
    if (record.pid <= 1 || record.pid == getpid() || record.start_time == 0) continue;
    if (process_start_time(record.pid) == record.start_time && !is_zombie(record.pid)) {
      found.push_back({record.pid, record.start_time, record.role});
    }
  }
  if (uuid.empty()) return found;
  const std::string in_environment = std::string(instance_variable) + "=" + uuid;
  const std::string on_command_line = std::string("-uuid") + '\0' + uuid;
  const Directory proc(opendir("/proc"));
  if (!proc) throw system_error(errno, "reading /proc");
  while (const dirent* entry = readdir(proc.get())) {
    char* end = nullptr;
    const long number = std::strtol(entry->d_name, &end, 10);
    const int pid = static_cast<int>(number);
    if (number <= 1 || *end != '\0' || pid == getpid()) continue;
    const std::uint64_t start_time = process_start_time(pid);
    if (!has_words(read_proc(pid, "cmdline"), on_command_line) &&
        !has_words(read_proc(pid, "environ"), in_environment)) {
      continue;
    }
    bool known = false;
    for (const VmProcess& other : found) known = known || other.pid == pid;
    if (!known && start_time != 0) found.push_back({pid, start_time, program_name(pid)});
  }
  return found;
}

std::string end_process(const VmProcess& process, std::chrono::milliseconds limit) {
  const UniqueFd pidfd = open_pidfd(process.pid);
  // The pidfd pins the process; only then does the start time prove that it is the one we mean.
  if (!pidfd || process_start_time(process.pid) != process.start_time) return {};
  errno = 0;
  if (!signal_pidfd(pidfd.get(), SIGKILL)) return errno == ESRCH ? "" : system_error(errno, "killing it").what();
  pollfd item{pidfd.get(), POLLIN, 0};
  int ready = 0;
  do {
    ready = poll(&item, 1, static_cast<int>(limit.count()));
  } while (ready < 0 && errno == EINTR);
  return ready > 0 ? "" : fmt::format("it did not end within {} ms of SIGKILL", limit.count());
}

}  // namespace agentvm::state
