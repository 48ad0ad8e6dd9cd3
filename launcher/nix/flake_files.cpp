// flake_files.cpp - lists and reads a flake's files.
#include "launcher/nix/flake_files.hpp"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <string_view>

#include "base/error.hpp"
#include "base/file.hpp"
#include "launcher/host/path_facts.hpp"
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
  explicit Walk(const std::string& workspace) : workspace_(workspace) { directory("", 0); }
  std::vector<std::string> files() && { return std::move(files_); }

 private:
  void directory(const std::string& below, unsigned depth) {
    for (const std::string& name : host::sorted_entries(workspace_ + "/" + below)) {
      struct stat info {};
      const std::string path = below + name;
      if (lstat((workspace_ + "/" + path).c_str(), &info) < 0) continue;
      if (++seen_ > most_files) throw too_many(workspace_);
      if (S_ISDIR(info.st_mode)) {
        if (depth < max_directories && !is_passed_over(name)) directory(path + "/", depth + 1);
      } else if (S_ISREG(info.st_mode) || S_ISLNK(info.st_mode)) {
        files_.push_back(path);
      }
    }
  }

  const std::string& workspace_;
  std::size_t seen_ = 0;
  std::vector<std::string> files_;
};

}  // namespace

bool has_flake(const std::string& workspace) {
  struct stat info {};
  return lstat((workspace + "/flake.nix").c_str(), &info) == 0 && S_ISREG(info.st_mode);
}

std::vector<std::string> flake_files(const std::string& workspace) {
  TrackedFiles tracked = tracked_files(workspace);
  std::vector<std::string> files = tracked.repository ? std::move(tracked.paths) : Walk(workspace).files();
  std::sort(files.begin(), files.end());
  if (!std::binary_search(files.begin(), files.end(), "flake.nix")) {
    throw Error("the flake.nix of " + workspace + " is not tracked by Git, and a flake is what Git tracks",
                "git add flake.nix");
  }
  return files;
}

std::string flake_key(const std::string& workspace, const std::string& root, const std::vector<std::string>& files) {
  image::Fingerprint fingerprint;
  fingerprint.line(build_version);
  fingerprint.line(workspace);
  const Beneath tree(root);
  std::size_t left = most_bytes;
  for (const std::string& path : files) {
    // Its pieces before what it is: what it is, is known at its end.
    const auto content = tree.read_whole(path, left, [&](const std::string& piece) {
      left -= piece.size();
      fingerprint.line(piece);
    });
    if (!content) continue;
    fingerprint.line(fmt::format("{}{} {}", content->link ? "link" : "file", content->executable ? " x" : "", path));
    fingerprint.line(content->text);
  }
  return fingerprint.hex();
}

void copy_flake(const std::string& workspace, const std::vector<std::string>& files, const std::string& copy) {
  make_directories(copy);
  const Beneath from(workspace);
  const Beneath to(copy);
  std::size_t left = most_bytes;
  for (const std::string& path : files) left -= from.copy(path, to, left);
}

}  // namespace agentvm::devshell
