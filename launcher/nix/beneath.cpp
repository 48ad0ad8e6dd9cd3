// beneath.cpp - openat2(2), and what is read through it.
#include "launcher/nix/beneath.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <string_view>
#include <utility>

#include "base/error.hpp"
#include "base/file.hpp"

namespace agentvm::devshell {

namespace {

constexpr std::size_t buffer_size = std::size_t{64} << 10;
/// What a small file, a link or a directory takes of a disk.
constexpr std::size_t block_size = 4096;
constexpr int file_flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;

/// Errors that say there is no such file, or only by way of a link.
bool is_absence(int error) {
  return error == ENOENT || error == ENOTDIR || error == ELOOP || error == EXDEV || error == ENXIO;
}

}  // namespace

Beneath::Beneath(std::string directory)
    : directory_(std::move(directory)), fd_(open(directory_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)) {
  if (!fd_) throw system_error(errno, "opening the directory " + directory_);
}

UniqueFd Beneath::open_beneath(const std::string& path, int flags) const {
  open_how how{};
  how.flags = static_cast<std::uint64_t>(flags);
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  return UniqueFd(static_cast<int>(syscall(SYS_openat2, fd_.get(), path.c_str(), &how, sizeof how)));
}

std::optional<std::string> Beneath::link_target(const std::string& path) const {
  const std::size_t slash = path.rfind('/');
  const UniqueFd parent = slash == std::string::npos
                              ? UniqueFd(fcntl(fd_.get(), F_DUPFD_CLOEXEC, 0))
                              : open_beneath(path.substr(0, slash), O_PATH | O_DIRECTORY | O_CLOEXEC);
  std::string target(PATH_MAX, '\0');
  const ssize_t size = readlinkat(parent.get(), path.substr(slash + 1).c_str(), target.data(), target.size());
  if (size < 0) return std::nullopt;
  target.resize(static_cast<std::size_t>(size));
  return target;
}

std::optional<Beneath::Content> Beneath::read(const std::string& path, std::size_t limit) const {
  if (auto target = link_target(path)) return Content{.text = *std::move(target), .link = true};
  const UniqueFd file = open_beneath(path, file_flags);
  struct stat info {};
  if (!file || fstat(file.get(), &info) < 0 || !S_ISREG(info.st_mode)) return std::nullopt;
  Content content{.text = std::string(std::min(limit, static_cast<std::size_t>(info.st_size)), '\0'),
                  .executable = (info.st_mode & S_IXUSR) != 0};
  std::size_t size = 0;
  ssize_t got = 0;
  while (size < content.text.size() &&
         (got = ::read(file.get(), content.text.data() + size, content.text.size() - size)) > 0) {
    size += static_cast<std::size_t>(got);
  }
  content.text.resize(size);
  return content;
}

std::optional<Beneath::Content> Beneath::read_whole(const std::string& path, std::size_t limit,
                                                    const std::function<void(const std::string& piece)>& each) const {
  if (auto target = link_target(path)) return Content{.text = *std::move(target), .link = true};
  const UniqueFd file = open_beneath(path, file_flags);
  struct stat info {};
  if (!file || fstat(file.get(), &info) < 0 || !S_ISREG(info.st_mode)) return std::nullopt;
  std::string piece;
  for (std::size_t size = 0;;) {
    piece.resize(buffer_size);
    std::size_t filled = 0;
    ssize_t got = 0;
    while (filled < piece.size() && (got = ::read(file.get(), piece.data() + filled, piece.size() - filled)) != 0) {
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) throw system_error(errno, "reading " + directory_ + "/" + path);
      filled += static_cast<std::size_t>(got);
    }
    if (filled == 0) break;
    size += filled;
    if (size > limit) throw Error("the file " + directory_ + "/" + path + " is too large for a flake");
    piece.resize(filled);
    each(piece);
  }
  return Content{.text = {}, .executable = (info.st_mode & S_IXUSR) != 0};
}

UniqueFd Beneath::make_parent(const std::string& path, std::size_t& made) const {
  UniqueFd parent(fcntl(fd_.get(), F_DUPFD_CLOEXEC, 0));
  for (std::size_t start = 0, slash = 0; (slash = path.find('/', start)) != std::string::npos; start = slash + 1) {
    const std::string name = path.substr(start, slash - start);
    if (mkdirat(parent.get(), name.c_str(), 0700) == 0) {
      ++made;
    } else if (errno != EEXIST) {
      throw system_error(errno, "making the directory " + directory_ + "/" + path.substr(0, slash));
    }
    UniqueFd next(openat(parent.get(), name.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!next) throw system_error(errno, "opening the directory " + directory_ + "/" + path.substr(0, slash));
    parent = std::move(next);
  }
  return parent;
}

std::size_t Beneath::copy(const std::string& path, const Beneath& to, std::size_t limit) const {
  const std::string from = directory_ + "/" + path;
  const auto target = link_target(path);
  UniqueFd file;
  struct stat info {};
  if (!target) {
    file = open_beneath(path, file_flags);
    if (!file && is_absence(errno)) return 0;
    if (!file) throw system_error(errno, "reading " + from);
    if (fstat(file.get(), &info) < 0 || !S_ISREG(info.st_mode)) return 0;
  }
  std::size_t blocks = 1;
  const UniqueFd parent = to.make_parent(path, blocks);
  const std::string name = path.substr(path.rfind('/') + 1);
  std::size_t size = blocks * block_size;
  const auto check_limit = [&] {
    if (size <= limit) return;
    throw Error("the files of the flake in " + directory_ + " are too large: " + path + " is one too many");
  };
  check_limit();
  if (target) {
    if (symlinkat(target->c_str(), parent.get(), name.c_str()) < 0)
      throw system_error(errno, "copying the link " + from);
    return size;
  }
  const UniqueFd copied(openat(parent.get(), name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                               (info.st_mode & S_IXUSR) != 0 ? 0700 : 0600));
  if (!copied) throw system_error(errno, "copying " + from + " to " + to.directory_);
  std::array<char, buffer_size> buffer{};
  for (;;) {
    const ssize_t got = ::read(file.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw system_error(errno, "reading " + from);
    if (got == 0) return size;
    size += static_cast<std::size_t>(got);
    check_limit();
    write_all(copied.get(), std::string_view(buffer.data(), static_cast<std::size_t>(got)), "copying " + from);
  }
}

}  // namespace agentvm::devshell
