// programs.cpp - looks programs up, in the order that programs.hpp gives.
#include "launcher/host/programs.hpp"

#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cctype>
#include <cstdlib>
#include <sstream>
#include <vector>

#include "base/startable.hpp"
#include "launcher/host/path_facts.hpp"
#include "launcher/host/tool_caches.hpp"
#include "launcher/host/version_cache.hpp"
#include "launcher/state/guest_places.hpp"

namespace agentvm::host {

namespace {

bool startable(const std::string& path) {
  struct stat info {};
  return access(path.c_str(), X_OK) == 0 && stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode);
}

std::vector<std::string> path_directories() {
  std::vector<std::string> directories;
  const char* variable = std::getenv("PATH");
  std::istringstream parts(variable != nullptr ? variable : "/usr/local/bin:/usr/bin:/bin");
  for (std::string directory; std::getline(parts, directory, ':');) {
    // A relative entry would make the answer depend on where we stand.
    if (!directory.empty() && directory.front() == '/') directories.push_back(directory);
  }
  return directories;
}

/// PATH as the caller gave it: keep_to_startable takes out what must not be started, and messages name it.
const std::vector<std::string>& caller_directories() {
  static const std::vector<std::string> directories = path_directories();
  return directories;
}

std::vector<std::string> file_names(const std::string& name) {
  if (name != "qemu") return {name};
  utsname machine{};
  uname(&machine);
  // qemu-kvm is what Red Hat's distributions have, in /usr/libexec.
  return {std::string("qemu-system-") + machine.machine, "qemu-kvm"};
}

bool good_enough(const std::string& name, const std::string& path, const std::string& cache_dir) {
  if (name != "virtiofsd") return true;
  const std::string line = version_line(path, cache_dir);
  // "virtiofsd 1.14.0" is the Rust one; QEMU's own says "virtiofsd version 7.2.22".
  return line.find("version") == std::string::npos &&
         version_at_least(version_number(line), std::string(oldest_virtiofsd));
}

}  // namespace

std::string tool_variable(std::string_view name) {
  std::string variable = "AGENTVM_";
  for (const char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    variable += std::isalnum(byte) != 0 ? static_cast<char>(std::toupper(byte)) : '_';
  }
  return variable;
}

std::optional<std::string> find_tool(const std::string& name, const std::string& cache_dir) {
  const char* given = std::getenv(tool_variable(name).c_str());
  if (given != nullptr && given[0] != '\0') {
    if (given[0] == '/' && startable(given) && !forbidden_place(given)) return given;
    return std::nullopt;
  }
  std::vector<std::string> directories = path_directories();
  for (const char* usual :
       {"/usr/sbin", "/sbin", "/usr/libexec", "/usr/lib/qemu", "/usr/lib/virtiofsd", "/run/current-system/sw/bin"}) {
    directories.emplace_back(usual);
  }
  for (const std::string& cache : tool_caches(cache_dir)) {
    directories.push_back(cache + "/tools/bin");
    directories.push_back(cache + "/tools/" + name + "/bin");
  }
  for (const std::string& directory : directories) {
    for (const std::string& file : file_names(name)) {
      std::string path = directory + "/" + file;
      if (startable(path) && !forbidden_place(path) && good_enough(name, path, cache_dir)) return path;
    }
  }
  return std::nullopt;
}

std::optional<std::string> find_forbidden_tool(const std::string& name) {
  std::vector<std::string> candidates;
  const char* given = std::getenv(tool_variable(name).c_str());
  if (name.find('/') != std::string::npos) {
    candidates.push_back(expand_home(name));
  } else if (given != nullptr && given[0] != '\0') {
    candidates.emplace_back(given);
  } else {
    for (const std::string& directory : caller_directories()) {
      for (const std::string& file : file_names(name)) candidates.push_back(directory + "/" + file);
    }
  }
  for (const std::string& path : candidates) {
    if (!path.starts_with('/') || !startable(path)) continue;
    if (const auto place = forbidden_place(path)) {
      return path + " is not started, because a guest may write in " + *place;
    }
  }
  return std::nullopt;
}

void keep_to_startable(const state::Roots& roots, const std::string& workspace) {
  caller_directories();  // what PATH was, for messages
  if (!workspace.empty()) never_start_from({workspace});
  never_start_from(state::guest_places(roots));
  if (const char* path = std::getenv("PATH")) setenv("PATH", startable_path(path).c_str(), 1);
}

std::map<std::string, std::string> find_tools(const std::string& cache_dir) {
  std::map<std::string, std::string> found;
  for (const char* name : {"qemu", "virtiofsd", "bwrap", "sudo", "cloud-hypervisor", "nix", "git", "python3"}) {
    if (auto path = find_tool(name, cache_dir)) found.emplace(name, std::move(*path));
  }
  return found;
}

}  // namespace agentvm::host
