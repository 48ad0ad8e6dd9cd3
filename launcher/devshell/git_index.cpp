// git_index.cpp - libgit2, which is given a copy of the index and nothing else of the repository.
#include "launcher/devshell/git_index.hpp"

#include <fcntl.h>
#include <git2.h>
#include <sys/mman.h>

#include <algorithm>
#include <memory>
#include <mutex>
#include <string_view>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/unique_fd.hpp"
#include "launcher/devshell/beneath.hpp"

namespace agentvm::devshell {

namespace {

/// An index of 100,000 files has 10 MB.
constexpr std::size_t largest_index = std::size_t{64} << 20;

struct Free {
  void operator()(git_index* index) const noexcept { git_index_free(index); }
};

/// Git's own rule (verify_path) for what may be checked out.
bool stays_inside(std::string_view path) {
  while (!path.empty()) {
    const std::string_view part = path.substr(0, path.find('/'));
    if (part.empty() || part == "." || part == ".." || part == ".git") return false;
    path.remove_prefix(std::min(path.size(), part.size() + 1));
    if (path.empty()) return true;
  }
  return false;
}

Error unreadable(const std::string& workspace) {
  const git_error* error = git_error_last();
  return Error("the Git index of " + workspace + " cannot be read" +
                   (error != nullptr && error->message != nullptr ? ": " + std::string(error->message) : ""),
               "`git status` there shows whether Git can.");
}

}  // namespace

std::vector<std::string> tracked_files(const std::string& workspace) {
  static std::once_flag started;
  std::call_once(started, [] { git_libgit2_init(); });
  const auto content = Beneath(workspace).read(".git/index", largest_index + 1);
  if (!content || content->link) {
    throw Error("the Git repository " + workspace + " tracks no file yet", "git add flake.nix");
  }
  if (content->text.size() > largest_index) throw Error("the Git index of " + workspace + " is longer than 64 MiB");
  const UniqueFd copy(memfd_create("index", MFD_CLOEXEC));
  if (!copy) throw system_error(errno, "making a file in memory");
  write_all(copy.get(), content->text);
  git_index* opened = nullptr;
  if (git_index_open(&opened, ("/proc/self/fd/" + std::to_string(copy.get())).c_str()) != 0)
    throw unreadable(workspace);
  const std::unique_ptr<git_index, Free> index(opened);
  std::vector<std::string> files;
  const std::size_t count = git_index_entrycount(index.get());
  for (std::size_t i = 0; i < count; ++i) {
    const git_index_entry* entry = git_index_get_byindex(index.get(), i);
    const bool is_file = entry->mode == GIT_FILEMODE_BLOB || entry->mode == GIT_FILEMODE_BLOB_EXECUTABLE ||
                         entry->mode == GIT_FILEMODE_LINK;
    // In a merge a path stands there up to three times.
    if (is_file && stays_inside(entry->path) && (files.empty() || files.back() != entry->path)) {
      files.emplace_back(entry->path);
    }
  }
  return files;
}

}  // namespace agentvm::devshell
