// path_facts.cpp - looks at host paths.
#include "launcher/host/path_facts.hpp"

#include <dirent.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <memory>

#include "base/directory.hpp"
#include "base/error.hpp"

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

std::optional<FoundPath> find_path(const std::string& path) {
  const std::string whole = expand_home(path);
  FoundPath found;
  int error = 0;
  try {
    found.held = HeldDirectory::resolve(whole, &error);
  } catch (const Error&) {
    // A file, which is refused in words of its own, or nothing.
    if (error == EACCES) throw;
    if (error != ENOTDIR) return std::nullopt;
    found.facts.real = real_path(whole);
    if (found.facts.real.empty()) return std::nullopt;
    return found;
  }
  found.facts.directory = true;
  found.facts.real = found.held.path();
  // Looked at below the descriptor, said with the name that was asked for.
  const std::string inside = found.held.through();
  if (whole.ends_with("/bin")) found.facts.bin_dirs.push_back(whole);
  if (is_directory(inside + "/bin")) found.facts.bin_dirs.push_back(whole + "/bin");
  const std::vector<std::string> children = sorted_entries(inside);
  if (children.size() <= most_children) {
    for (const std::string& child : children) {
      if (child == "bin") continue;
      if (is_directory(inside + "/" + child + "/bin")) found.facts.bin_dirs.push_back(whole + "/" + child + "/bin");
    }
  }
  return found;
}

}  // namespace agentvm::host
