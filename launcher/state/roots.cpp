// roots.cpp - the directories of a user, the paths of a VM, and which VMs there are.
#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <memory>
#include <set>

#include "base/directory.hpp"
#include "base/error.hpp"
#include "base/file.hpp"
#include "base/unix_socket.hpp"
#include "launcher/state/vm_directory.hpp"
#include "launcher/state/vm_name.hpp"

namespace agentvm::state {

namespace {

/// An XDG variable counts only when it is absolute (XDG Base Directory Specification).
std::string absolute_variable(const char* name) {
  const char* value = std::getenv(name);
  if (value == nullptr || value[0] != '/') return {};
  std::string path = value;
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

/// /tmp is everybody's: whoever made the name first could read what we put there.
std::string private_temporary_root(uid_t uid) {
  const std::string path = "/tmp/agentvm-" + std::to_string(uid);
  if (mkdir(path.c_str(), 0700) < 0 && errno != EEXIST) throw system_error(errno, "making the directory " + path);
  struct stat info {};
  if (lstat(path.c_str(), &info) < 0) throw system_error(errno, path);
  if (!S_ISDIR(info.st_mode) || info.st_uid != uid || (info.st_mode & 077) != 0) {
    throw Error(path + " is not a directory that belongs to you alone",
                "Set XDG_RUNTIME_DIR to a directory of your own with mode 0700.");
  }
  return path;
}

std::string runtime_root(uid_t uid) {
  if (const std::string given = absolute_variable("XDG_RUNTIME_DIR"); !given.empty()) return given + "/agentvm";
  if (uid == 0) return "/run/agentvm";
  const std::string usual = "/run/user/" + std::to_string(uid);
  if (access(usual.c_str(), W_OK | X_OK) == 0) return usual + "/agentvm";
  return private_temporary_root(uid);
}

std::string home_root(const char* variable, const char* below_home, const char* for_root) {
  if (const std::string given = absolute_variable(variable); !given.empty()) return given + "/agentvm";
  const bool root = geteuid() == 0;
  const std::string home = absolute_variable("HOME");
  if (!root && home.empty()) {
    throw Error("HOME is not set, and neither is " + std::string(variable), "Set HOME to your home directory.");
  }
  return root ? for_root : home + below_home;
}

void add_names(const std::string& directory, std::set<std::string>& names) {
  const Directory open(opendir(directory.c_str()));
  if (!open) return;
  while (const dirent* entry = readdir(open.get())) {
    if (valid_name(entry->d_name)) names.insert(entry->d_name);
  }
}

}  // namespace

Roots user_roots() {
  const uid_t uid = geteuid();
  return {runtime_root(uid), home_root("XDG_STATE_HOME", "/.local/state/agentvm", "/var/lib/agentvm"),
          home_root("XDG_CACHE_HOME", "/.cache/agentvm", "/var/cache/agentvm")};
}

VmPaths vm_paths(const Roots& roots, const std::string& name) {
  check_name(name);
  return {name, roots.runtime + "/" + name, roots.state + "/vms/" + name};
}

void check_socket_paths(const VmPaths& paths) {
  // Two digits of shares are far more than a profile can name.
  // libvirt's own are the longest: QEMU's monitor below its root, first of a probe, then of the domain.
  const std::string libvirt = paths.runtime_dir + "/lv/lib/qemu/";
  for (const std::string& socket :
       {paths.services_socket(), paths.supervisor_socket(), paths.share_socket(99), paths.vsock_socket() + "_4101",
        libvirt + "qmp-XXXXXX/qmp.monitor", libvirt + "domain-1-vm/monitor.sock"}) {
    if (socket.size() <= unix_path_limit) continue;
    throw Error("the socket path " + socket + " has " + std::to_string(socket.size()) +
                    " bytes, and a unix socket can have " + std::to_string(unix_path_limit),
                "Set XDG_RUNTIME_DIR to a shorter directory, or give the VM a shorter name with --name.");
  }
}

std::vector<std::string> list_vms(const Roots& roots) {
  std::set<std::string> names;
  add_names(roots.state + "/vms", names);
  add_names(roots.runtime, names);
  return {names.begin(), names.end()};
}

}  // namespace agentvm::state
