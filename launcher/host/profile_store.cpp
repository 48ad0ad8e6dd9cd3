// profile_store.cpp - reads profiles.
#include "launcher/host/profile_store.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <set>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/startable.hpp"
#include "launcher/host/path_facts.hpp"

namespace agentvm::host {

namespace {

constexpr std::string_view extension = ".toml";

/// Reads what was opened (without waiting for a FIFO's writer); nullopt when there is no such file.
std::optional<std::string> read_profile(const UniqueFd& fd, const std::string& path) {
  if (!fd) {
    if (errno == ENOENT || errno == ENOTDIR) return std::nullopt;
    throw system_error(errno, "reading the profile " + path);
  }
  struct stat info {};
  if (fstat(fd.get(), &info) < 0) throw system_error(errno, "reading the profile " + path);
  if (!S_ISREG(info.st_mode)) throw Error("the profile " + path + " is not a regular file", {}, ExitCode::usage);
  return read_file("/proc/self/fd/" + std::to_string(fd.get()), vmspec::max_profile_text);
}

/// A profile of the user's own: nobody else's wish.
std::optional<std::string> read_own(const std::string& path) {
  if (const auto place = place_of_others(path)) {
    throw Error("the profile " + path + " is not read: a guest may write in " + *place +
                    ", and a profile says what is started on the host",
                "Keep it elsewhere; a workspace's own file is its agentvm.toml.", ExitCode::usage);
  }
  return read_profile(UniqueFd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)), path);
}

bool plain_name(std::string_view name) {
  return !name.empty() && name.front() != '.' && name.find('\0') == std::string_view::npos;
}

}  // namespace

ProfileStore ProfileStore::of_user() {
  const char* config = std::getenv("XDG_CONFIG_HOME");
  const std::string home = home_directory();
  std::vector<std::string> directories;
  if (config != nullptr && config[0] == '/') {
    directories.push_back(std::string(config) + "/agentvm/profiles");
  } else if (!home.empty()) {
    directories.push_back(home + "/.config/agentvm/profiles");
  }
  directories.emplace_back("/etc/agentvm/profiles");
  return ProfileStore(std::move(directories));
}

std::optional<vmspec::SourceText> ProfileStore::find(std::string_view name) const {
  if (name.find('/') != std::string_view::npos) {
    const std::string path = expand_home(std::string(name));
    if (auto text = read_own(path)) return vmspec::SourceText{path, std::move(*text)};
    return std::nullopt;
  }
  if (!plain_name(name)) return std::nullopt;
  for (const std::string& directory : directories_) {
    const std::string path = directory + "/" + std::string(name) + std::string(extension);
    if (auto text = read_own(path)) return vmspec::SourceText{path, std::move(*text)};
  }
  const auto& builtin = vmspec::builtin_profiles();
  const auto found = builtin.find(name);
  if (found == builtin.end()) return std::nullopt;
  return found->second;
}

std::vector<ProfileEntry> ProfileStore::list() const {
  std::vector<ProfileEntry> entries;
  std::set<std::string> seen;
  for (const std::string& directory : directories_) {
    for (const std::string& file : sorted_entries(directory)) {
      if (file.size() <= extension.size() || !plain_name(file)) continue;
      const std::size_t stem = file.size() - extension.size();
      if (file.compare(stem, extension.size(), extension) != 0) continue;
      if (seen.insert(file.substr(0, stem)).second) entries.push_back({file.substr(0, stem), directory + "/" + file});
    }
  }
  for (const auto& [name, source] : vmspec::builtin_profiles()) {
    if (seen.insert(name).second) entries.push_back({name, "built-in"});
  }
  std::sort(entries.begin(), entries.end(),
            [](const ProfileEntry& a, const ProfileEntry& b) { return a.name < b.name; });
  return entries;
}

vmspec::ProfileSources ProfileStore::sources() const {
  vmspec::ProfileSources sources;
  sources.lookup = [this](std::string_view name) { return find(name); };
  for (const ProfileEntry& entry : list()) sources.known.push_back(entry.name);
  return sources;
}

std::optional<vmspec::SourceText> workspace_profile(const HeldDirectory& workspace) {
  const std::string path = workspace.path() + "/agentvm.toml";
  const UniqueFd fd = workspace.open("agentvm.toml", O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
  if (!fd && errno == ELOOP) {
    throw Error(path + " is a symbolic link; a workspace's profile must be a file of its own", {}, ExitCode::usage);
  }
  if (auto text = read_profile(fd, path)) return vmspec::SourceText{path, std::move(*text)};
  return std::nullopt;
}

}  // namespace agentvm::host
