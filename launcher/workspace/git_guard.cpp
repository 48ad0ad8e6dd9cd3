// git_guard.cpp - looks a repository's executing places up beneath a descriptor, and compares them.
#include "launcher/workspace/git_guard.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <memory>

#include "base/unique_fd.hpp"

namespace agentvm::workspace {

namespace {

constexpr std::size_t largest_config = std::size_t{1} << 20;
constexpr std::size_t most_places = 10'000;
constexpr unsigned deepest_module = 12;

UniqueFd open_beneath(int directory, const std::string& path, int flags) {
  open_how how{};
  how.flags = static_cast<std::uint64_t>(flags | O_CLOEXEC | O_NOFOLLOW);
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  return UniqueFd(static_cast<int>(syscall(SYS_openat2, directory, path.c_str(), &how, sizeof how)));
}

class Inspection {
 public:
  explicit Inspection(int workspace) : workspace_(workspace) {}

  /// `path` is a .git: a repository, a file that says where one is, or a link to one.
  void repository(const std::string& path) {
    if (!is_directory(path)) return place(path, true);
    git_directory(path);
    for (const std::string& name : names(path + "/worktrees")) git_directory(path + "/worktrees/" + name);
    modules(path + "/modules", 0);
  }

  GitPlaces places;

 private:
  bool is_directory(const std::string& path) const {
    return open_beneath(workspace_, path, O_PATH | O_DIRECTORY).valid();
  }

  std::vector<std::string> names(const std::string& path) const {
    std::vector<std::string> out;
    UniqueFd directory = open_beneath(workspace_, path, O_RDONLY | O_DIRECTORY);
    if (!directory) return out;
    const std::unique_ptr<DIR, int (*)(DIR*)> stream(fdopendir(directory.get()), closedir);
    if (!stream) return out;
    directory.release();
    while (const dirent* entry = readdir(stream.get())) {
      const std::string name = entry->d_name;
      if (name != "." && name != "..") out.push_back(name);
      if (out.size() >= most_places) break;
    }
    std::sort(out.begin(), out.end());
    return out;
  }

  void git_directory(const std::string& path) {
    for (const char* name : {"config", "config.worktree"}) config(path + "/" + name);
    for (const char* name : {"commondir", "gitdir", "info/attributes"}) place(path + "/" + name, true);
    const std::string hooks = path + "/hooks";
    if (!is_directory(hooks)) return place(hooks, false);
    for (const std::string& name : names(hooks)) {
      if (!name.ends_with(".sample")) place(hooks + "/" + name, true);
    }
  }

  /// A submodule's name may have slashes.
  void modules(const std::string& path, unsigned depth) {
    if (depth > deepest_module || places.size() >= most_places) return;
    for (const std::string& name : names(path)) {
      const std::string inner = path + "/" + name;
      if (!is_directory(inner)) continue;
      if (is_directory(inner + "/objects") || open_beneath(workspace_, inner + "/HEAD", O_PATH)) git_directory(inner);
      modules(inner, depth + 1);
    }
  }

  /// What lies there without a name for it: no entry at all when nothing does.
  void place(const std::string& path, bool of_file) {
    if (places.size() >= most_places) return;
    struct stat info {};
    UniqueFd file = open_beneath(workspace_, path, O_PATH);
    if (!file || fstat(file.get(), &info) < 0) return link(path);
    if (!of_file && S_ISDIR(info.st_mode)) return;
    // Content by what changes with it: the guest can set the time of a change, not that of the inode's.
    places[path].state = fmt::format("{:o} {} {} {}.{}", info.st_mode, info.st_ino, info.st_size, info.st_ctim.tv_sec,
                                     info.st_ctim.tv_nsec);
  }

  void link(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    const UniqueFd parent = slash == std::string::npos
                                ? UniqueFd(fcntl(workspace_, F_DUPFD_CLOEXEC, 0))
                                : open_beneath(workspace_, path.substr(0, slash), O_PATH | O_DIRECTORY);
    std::string target(PATH_MAX, '\0');
    const ssize_t size = readlinkat(parent.get(), path.substr(slash + 1).c_str(), target.data(), target.size());
    if (size >= 0) places[path].state = "link " + target.substr(0, static_cast<std::size_t>(size));
  }

  void config(const std::string& path) {
    const UniqueFd file = open_beneath(workspace_, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
    struct stat info {};
    if (!file || fstat(file.get(), &info) < 0 || !S_ISREG(info.st_mode)) return place(path, true);
    std::string text(std::min(static_cast<std::size_t>(info.st_size), largest_config + 1), '\0');
    const ssize_t got = pread(file.get(), text.data(), text.size(), 0);
    if (got < 0 || static_cast<std::size_t>(got) > largest_config) return place(path, true);
    text.resize(static_cast<std::size_t>(got));
    // Only what it executes counts: `git checkout -b` writes here too.
    places[path] = {"configuration", executing_settings(text)};
  }

  int workspace_;
};

std::string reason_of(const std::string& path, bool is_new) {
  const bool hook = path.find("/hooks/") != std::string::npos || path.ends_with("/hooks");
  const std::string what = hook ? "hook" : "place that Git takes its directions from";
  return is_new ? "is a new " + what : "is a " + what + " and was changed";
}

}  // namespace

GitPlaces git_places(int workspace, const std::vector<std::string>& repositories) {
  Inspection inspection(workspace);
  for (const std::string& path : repositories) inspection.repository(path);
  return std::move(inspection.places);
}

std::vector<GitChange> git_changes(const GitPlaces& before, const GitPlaces& now) {
  std::vector<GitChange> out;
  for (const auto& [path, place] : now) {
    const auto found = before.find(path);
    if (found != before.end() && found->second == place) continue;
    std::string said;
    for (const std::string& setting : place.executes) {
      if (found == before.end() || !found->second.executes.contains(setting))
        said += (said.empty() ? "" : ", ") + setting;
    }
    const bool same_kind = found != before.end() && found->second.state == place.state;
    if (!said.empty()) {
      out.push_back({path, "now says " + said});
    } else if (place.state != "configuration" && !same_kind) {
      out.push_back({path, reason_of(path, found == before.end())});
    }
  }
  return out;
}

}  // namespace agentvm::workspace
