// cgroup.cpp - files of cgroup v2.
#include "launcher/pool/cgroup.hpp"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <sstream>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/unique_fd.hpp"

namespace agentvm::pool {

namespace fs = std::filesystem;

namespace {

constexpr char vm_prefix[] = "vm-";
/// Where this process lives while its cgroup has children with controllers.
constexpr char own_child[] = "poold";
/// Where systemd runs ExecStopPost= of a unit with Delegate=.
constexpr char control_child[] = ".control";
constexpr const char* controllers[] = {"memory", "cpu", "pids"};

bool is_cgroup2(const char* path) noexcept {
  struct statfs info {};
  return statfs(path, &info) == 0 && info.f_type == CGROUP2_SUPER_MAGIC;
}

void write_to(const std::string& path, const std::string& text) {
  const UniqueFd file(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!file || write(file.get(), text.data(), text.size()) < 0) {
    const int error = errno;
    throw system_error(error, "writing \"" + text + "\" to " + path);
  }
}

/// The own cgroup, or its parent where it is one of those that are made for processes alone.
std::string own_directory() {
  const char* const root = is_cgroup2("/sys/fs/cgroup")           ? "/sys/fs/cgroup"
                           : is_cgroup2("/sys/fs/cgroup/unified") ? "/sys/fs/cgroup/unified"
                                                                  : nullptr;
  if (root == nullptr)
    throw Error("there is no cgroup v2 in /sys/fs/cgroup", "Leave --cgroup away, and limits of VMs.");
  std::istringstream lines(read_file("/proc/self/cgroup"));
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("0::/")) continue;
    fs::path path = line.substr(4);
    if (path.filename() == own_child || path.filename() == control_child) path = path.parent_path();
    return (fs::path(root) / path).lexically_normal();
  }
  throw Error("this process is in no cgroup v2");
}

bool has_controller(const std::string& directory, const std::string& name) {
  std::istringstream words(read_file(directory + "/cgroup.controllers"));
  for (std::string word; words >> word;) {
    if (word == name) return true;
  }
  return false;
}

void set(const std::string& directory, const char* controller, const char* file, const std::string& value) {
  if (!has_controller(directory, controller)) {
    throw Error("the cgroup " + directory + " has no controller for " + controller + ", and a pool limits it",
                std::string("Under systemd: Delegate=") + controller + " in the unit.", ExitCode::usage);
  }
  write_to(directory + "/" + file, value);
}

}  // namespace

CgroupTree CgroupTree::of_own() {
  const std::string directory = own_directory();
  try {
    make_directories(directory + "/" + own_child, 0755);
    write_to(directory + "/" + own_child + "/cgroup.procs", std::to_string(getpid()));
    for (const char* name : controllers) {
      if (has_controller(directory, name)) write_to(directory + "/cgroup.subtree_control", std::string("+") + name);
    }
  } catch (const Error& error) {
    throw Error(std::string("the cgroup of this process is not its own to change: ") + error.what(),
                "Give it one: Delegate=yes in a unit, or systemd-run --user -p Delegate=yes agentvm pool serve.",
                ExitCode::cannot_start);
  }
  return CgroupTree(directory);
}

void CgroupTree::release_own() {
  const std::string directory = own_directory();
  for (const char* name : controllers) {
    if (has_controller(directory, name)) write_to(directory + "/cgroup.subtree_control", std::string("-") + name);
  }
}

void CgroupTree::put(const std::string& vm, pid_t process, const VmLimits& limits) const {
  sweep();
  make_directories(directory_ + "/" + vm_prefix + vm, 0755);
  limit(vm, limits);
  write_to(directory_ + "/" + vm_prefix + vm + "/cgroup.procs", std::to_string(process));
}

void CgroupTree::limit(const std::string& vm, const VmLimits& limits) const {
  const std::string directory = directory_ + "/" + vm_prefix + vm;
  if (!fs::is_directory(directory)) return;
  if (limits.memory_max != 0) {
    set(directory, "memory", "memory.max", std::to_string(limits.memory_max));
    set(directory, "memory", "memory.oom.group", "1");
  }
  if (limits.cpu_weight != 0) set(directory, "cpu", "cpu.weight", std::to_string(limits.cpu_weight));
}

void CgroupTree::sweep() const noexcept {
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(directory_, error)) {
    // EBUSY while somebody is in it.
    if (entry.path().filename().string().starts_with(vm_prefix)) rmdir(entry.path().c_str());
  }
}

}  // namespace agentvm::pool
