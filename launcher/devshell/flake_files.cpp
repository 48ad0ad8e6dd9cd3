// flake_files.cpp - walks a workspace for what its devShell is made of.
#include "launcher/devshell/flake_files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <climits>
#include <cstddef>
#include <string_view>

#include "base/unique_fd.hpp"
#include "launcher/host/path_facts.hpp"
#include "launcher/image/fingerprint.hpp"

namespace agentvm::devshell {

namespace {

/// Part of every key: raised when the same files would be built in another way.
constexpr char build_version[] = "agentvm devshell 1";
constexpr std::size_t most_entries = 20'000;
constexpr unsigned deepest = 8;
constexpr std::size_t most_bytes = std::size_t{1} << 20;

bool counts(std::string_view name) {
  static constexpr std::array<std::string_view, 4> names = {"flake.lock", "rust-toolchain", "rust-toolchain.toml",
                                                            "devshell.toml"};
  return name.ends_with(".nix") || std::find(names.begin(), names.end(), name) != names.end();
}

bool is_passed_over(std::string_view directory) {
  return directory.starts_with('.') || directory == "node_modules" || directory == "target";
}

/// A regular file's text, a link's target, and of anything else nothing: a FIFO would be waited for.
std::string content(const std::string& path) {
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY));
  std::string text;
  if (!fd) {
    text.resize(PATH_MAX);
    const ssize_t size = readlink(path.c_str(), text.data(), text.size());
    text.resize(size < 0 ? 0 : static_cast<std::size_t>(size));
    return text;
  }
  struct stat info {};
  if (fstat(fd.get(), &info) < 0 || !S_ISREG(info.st_mode)) return text;
  text.resize(most_bytes);
  std::size_t size = 0;
  ssize_t got = 0;
  while (size < text.size() && (got = read(fd.get(), text.data() + size, text.size() - size)) > 0) {
    size += static_cast<std::size_t>(got);
  }
  text.resize(size);
  return text;
}

class Walk {
 public:
  explicit Walk(image::Fingerprint& fingerprint) : fingerprint_(fingerprint) {}

  void directory(const std::string& path, unsigned depth) {
    for (const std::string& name : host::sorted_entries(path)) {
      if (++entries_ > most_entries) return;
      const std::string entry = path + "/" + name;
      if (counts(name)) {
        fingerprint_.line(entry);
        fingerprint_.line(content(entry));
        continue;
      }
      struct stat info {};
      if (depth < deepest && !is_passed_over(name) && lstat(entry.c_str(), &info) == 0 && S_ISDIR(info.st_mode)) {
        directory(entry, depth + 1);
      }
    }
  }

 private:
  image::Fingerprint& fingerprint_;
  std::size_t entries_ = 0;
};

}  // namespace

bool has_flake(const std::string& workspace) {
  struct stat info {};
  return stat((workspace + "/flake.nix").c_str(), &info) == 0 && S_ISREG(info.st_mode);
}

bool has_own_git(const std::string& workspace) {
  struct stat info {};
  const std::string git = workspace + "/.git";
  const auto is = [&info](const std::string& path, mode_t type) {
    return lstat(path.c_str(), &info) == 0 && (info.st_mode & S_IFMT) == type;
  };
  // gitrepository-layout(5): commondir moves the configuration to another directory.
  return is(git, S_IFDIR) && is(git + "/config", S_IFREG) && lstat((git + "/commondir").c_str(), &info) < 0;
}

std::string flake_key(const std::string& workspace) {
  image::Fingerprint fingerprint;
  fingerprint.line(build_version);
  fingerprint.line(workspace);
  fingerprint.line(has_own_git(workspace) ? "git" : "path");
  // Whatever else there is: these two always count.
  for (const char* name : {"/flake.nix", "/flake.lock"}) fingerprint.line(content(workspace + name));
  Walk(fingerprint).directory(workspace, 0);
  return fingerprint.hex();
}

}  // namespace agentvm::devshell
