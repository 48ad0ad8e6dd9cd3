// beneath.cpp - what is read of a directory and copied out of it, each file by one descriptor.
#include "launcher/nix/beneath.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
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

std::optional<FileContent> read_beneath(const HeldDirectory& directory, const std::string& path, std::size_t limit) {
  if (auto target = directory.link_target(path)) return FileContent{.text = *std::move(target), .link = true};
  const UniqueFd file = directory.open(path, file_flags);
  struct stat info {};
  if (!file || fstat(file.get(), &info) < 0 || !S_ISREG(info.st_mode)) return std::nullopt;
  FileContent content{.text = std::string(std::min(limit, static_cast<std::size_t>(info.st_size)), '\0'),
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

std::optional<FileContent> read_whole_beneath(const HeldDirectory& directory, const std::string& path,
                                              std::size_t limit,
                                              const std::function<void(const std::string& piece)>& each) {
  if (auto target = directory.link_target(path)) return FileContent{.text = *std::move(target), .link = true};
  const UniqueFd file = directory.open(path, file_flags);
  struct stat info {};
  if (!file || fstat(file.get(), &info) < 0 || !S_ISREG(info.st_mode)) return std::nullopt;
  const std::string place = directory.path() + "/" + path;
  std::string piece;
  for (std::size_t size = 0;;) {
    piece.resize(buffer_size);
    std::size_t filled = 0;
    ssize_t got = 0;
    while (filled < piece.size() && (got = ::read(file.get(), piece.data() + filled, piece.size() - filled)) != 0) {
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) throw system_error(errno, "reading " + place);
      filled += static_cast<std::size_t>(got);
    }
    if (filled == 0) break;
    size += filled;
    if (size > limit) throw Error("the file " + place + " is too large for a flake");
    piece.resize(filled);
    each(piece);
  }
  return FileContent{.text = {}, .executable = (info.st_mode & S_IXUSR) != 0};
}

std::size_t copy_beneath(const HeldDirectory& from, const std::string& path, const HeldDirectory& to,
                         std::size_t limit) {
  const std::string place = from.path() + "/" + path;
  const auto target = from.link_target(path);
  UniqueFd file;
  struct stat info {};
  if (!target) {
    file = from.open(path, file_flags);
    if (!file && is_absence(errno)) return 0;
    if (!file) throw system_error(errno, "reading " + place);
    if (fstat(file.get(), &info) < 0 || !S_ISREG(info.st_mode)) return 0;
  }
  std::size_t blocks = 1;
  const HeldDirectory parent = to.make_parent_of(path, 0700, &blocks);
  const std::string name = path.substr(path.rfind('/') + 1);
  std::size_t size = blocks * block_size;
  const auto check_limit = [&] {
    if (size <= limit) return;
    throw Error("the files of the flake in " + from.path() + " are too large: " + path + " is one too many");
  };
  check_limit();
  if (target) {
    if (symlinkat(target->c_str(), parent.fd(), name.c_str()) < 0)
      throw system_error(errno, "copying the link " + place);
    return size;
  }
  const UniqueFd copied(openat(parent.fd(), name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                               (info.st_mode & S_IXUSR) != 0 ? 0700 : 0600));
  if (!copied) throw system_error(errno, "copying " + place + " to " + to.path());
  std::array<char, buffer_size> buffer{};
  for (;;) {
    const ssize_t got = ::read(file.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw system_error(errno, "reading " + place);
    if (got == 0) return size;
    size += static_cast<std::size_t>(got);
    check_limit();
    write_all(copied.get(), std::string_view(buffer.data(), static_cast<std::size_t>(got)), "copying " + place);
  }
}

}  // namespace agentvm::devshell
