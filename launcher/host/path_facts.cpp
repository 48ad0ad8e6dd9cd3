// path_facts.cpp - looks at host paths.
#include "launcher/host/path_facts.hpp"

#include <dirent.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <memory>

#include "base/directory.hpp"

namespace agentvm::host {

namespace {

/// A directory with more children than this is no directory of toolchains.
constexpr std::size_t most_children = 256;

bool is_directory(const std::string& path) {
  struct stat info {};
  return stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

}  // namespace

std::string home_directory() {
  const char* home = std::getenv("HOME");
  if (home != nullptr && home[0] == '/') return home;
  const passwd* entry = getpwuid(geteuid());
  return entry != nullptr && entry->pw_dir != nullptr ? entry->pw_dir : "";
}

std::string expand_home(const std::string& path) {
  if (path == "~" || path.rfind("~/", 0) == 0) return home_directory() + path.substr(1);
  return path;
}

std::string real_path(const std::string& path) {
  const std::unique_ptr<char, decltype(&std::free)> resolved(realpath(path.c_str(), nullptr), std::free);
  return resolved ? resolved.get() : "";
}

std::vector<std::string> sorted_entries(const std::string& directory) {
  std::vector<std::string> names;
  const Directory open(opendir(directory.c_str()));
  if (!open) return names;
  while (const dirent* entry = readdir(open.get())) {
    const std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::optional<vmspec::HostFacts::PathFacts> path_facts(const std::string& path) {
  const std::string whole = expand_home(path);
  struct stat info {};
  if (stat(whole.c_str(), &info) < 0) return std::nullopt;
  vmspec::HostFacts::PathFacts facts;
  facts.directory = S_ISDIR(info.st_mode);
  facts.real = real_path(whole);
  if (!facts.directory) return facts;
  if (whole.size() >= 4 && whole.compare(whole.size() - 4, 4, "/bin") == 0) facts.bin_dirs.push_back(whole);
  if (is_directory(whole + "/bin")) facts.bin_dirs.push_back(whole + "/bin");
  const std::vector<std::string> children = sorted_entries(whole);
  if (children.size() <= most_children) {
    for (const std::string& child : children) {
      if (child == "bin") continue;
      if (std::string bin = whole + "/" + child + "/bin"; is_directory(bin)) facts.bin_dirs.push_back(std::move(bin));
    }
  }
  return facts;
}

}  // namespace agentvm::host
