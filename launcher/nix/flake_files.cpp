// flake_files.cpp - lists and reads a flake's files.
#include "launcher/nix/flake_files.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <string_view>

#include "base/directory.hpp"
#include "base/error.hpp"
#include "base/file.hpp"
#include "launcher/image/fingerprint.hpp"
#include "launcher/nix/beneath.hpp"
#include "launcher/nix/git_index.hpp"

namespace agentvm::devshell {

namespace {

/// Part of every key: raised when the same files would be built in another way.
constexpr char build_version[] = "agentvm devshell 3";

bool is_passed_over(std::string_view directory) {
  return directory == ".git" || directory == ".direnv" || directory == "node_modules" || directory == "target";
}

Error too_many(const std::string& workspace) {
  return Error(fmt::format("the workspace {} has more than {} files to take a devShell from", workspace, most_files),
               "In a Git repository only what it tracks is taken: `git init && git add flake.nix`.");
}

/// All files, where there is no repository.
class Walk {
 public:
  explicit Walk(const HeldDirectory& workspace) : workspace_(workspace) {
    enter(workspace.open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), "", 0);
  }
  std::vector<std::string> files() && { return std::move(files_); }

 private:
  /// What cannot be read is as if it were empty.
  void enter(UniqueFd fd, const std::string& below, unsigned depth) {
    const Directory directory(fdopendir(fd.get()));
    if (!directory) return;
    const int here = fd.release();  // the DIR has it now
    std::vector<std::string> directories;
    while (const dirent* entry = readdir(directory.get())) {
      const std::string name = entry->d_name;
      struct stat info {};
      if (name == "." || name == ".." || fstatat(here, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) < 0) continue;
      if (++seen_ > most_files) throw too_many(workspace_.path());
      if (S_ISDIR(info.st_mode)) {
        if (depth < max_directories && !is_passed_over(name)) directories.push_back(name);
      } else if (S_ISREG(info.st_mode) || S_ISLNK(info.st_mode)) {
        files_.push_back(below + name);
      }
    }
    for (const std::string& name : directories) {
      UniqueFd child(openat(here, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
      if (child) enter(std::move(child), below + name + "/", depth + 1);
    }
  }

  const HeldDirectory& workspace_;
  std::size_t seen_ = 0;
  std::vector<std::string> files_;
};

}  // namespace

bool has_flake(const HeldDirectory& workspace) {
  struct stat info {};
  return fstatat(workspace.fd(), "flake.nix", &info, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(info.st_mode);
}

std::vector<std::string> flake_files(const HeldDirectory& workspace) {
  TrackedFiles tracked = tracked_files(workspace);
  std::vector<std::string> files = tracked.repository ? std::move(tracked.paths) : Walk(workspace).files();
  std::sort(files.begin(), files.end());
  if (!std::binary_search(files.begin(), files.end(), "flake.nix")) {
    throw Error("the flake.nix of " + workspace.path() + " is not tracked by Git, and a flake is what Git tracks",
                "git add flake.nix");
  }
  return files;
}

std::string flake_key(const std::string& workspace, const HeldDirectory& root, const std::vector<std::string>& files) {
  image::Fingerprint fingerprint;
  fingerprint.line(build_version);
  fingerprint.line(workspace);
  std::size_t left = most_bytes;
  for (const std::string& path : files) {
    // Its pieces before what it is: what it is, is known at its end.
    const auto content = read_whole_beneath(root, path, left, [&](const std::string& piece) {
      left -= piece.size();
      fingerprint.line(piece);
    });
    if (!content) continue;
    fingerprint.line(fmt::format("{}{} {}", content->link ? "link" : "file", content->executable ? " x" : "", path));
    fingerprint.line(content->text);
  }
  return fingerprint.hex();
}

void copy_flake(const HeldDirectory& workspace, const std::vector<std::string>& files, const std::string& copy) {
  make_directories(copy);
  const HeldDirectory to = HeldDirectory::resolve(copy);
  std::size_t left = most_bytes;
  for (const std::string& path : files) left -= copy_beneath(workspace, path, to, left);
}

}  // namespace agentvm::devshell
