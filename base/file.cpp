// file.cpp - whole files, directories and locks.
#include "base/file.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <vector>

#include "base/error.hpp"

namespace agentvm {

namespace {

std::string read_open_file(const UniqueFd& fd, const std::string& path, std::size_t limit) {
  std::string text;
  struct stat info {};
  if (fstat(fd.get(), &info) == 0 && S_ISDIR(info.st_mode)) throw system_error(EISDIR, "reading " + path);
  if (info.st_size > 0) text.reserve(std::min(limit, static_cast<std::size_t>(info.st_size)));
  char buffer[65536];
  for (;;) {
    const ssize_t got = read(fd.get(), buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw system_error(errno, "reading " + path);
    if (got == 0) return text;
    if (text.size() + static_cast<std::size_t>(got) > limit) {
      throw Error(path + " is longer than " + std::to_string(limit) + " bytes");
    }
    text.append(buffer, static_cast<std::size_t>(got));
  }
}

struct CloseDirectory {
  void operator()(DIR* directory) const noexcept { closedir(directory); }
};

/// Empties the directory `fd`; keeps the first reason why something stayed.
void empty_directory(UniqueFd fd, dev_t device, const std::string& path, std::string& first_failure) {
  const int raw = fd.get();
  std::unique_ptr<DIR, CloseDirectory> directory(fdopendir(raw));
  if (!directory) {
    if (first_failure.empty()) first_failure = system_error(errno, path).what();
    return;
  }
  fd.release();  // closedir closes it
  const auto fail = [&](const std::string& name) {
    if (first_failure.empty()) first_failure = system_error(errno, path + "/" + name).what();
  };
  while (const dirent* entry = readdir(directory.get())) {
    const std::string name = entry->d_name;
    if (name == "." || name == "..") continue;
    struct stat info {};
    if (fstatat(raw, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) < 0) {
      if (errno != ENOENT) fail(name);
      continue;
    }
    if (S_ISDIR(info.st_mode)) {
      if (info.st_dev != device) {
        errno = EBUSY;
        fail(name);
        continue;
      }
      if ((info.st_mode & 0700) != 0700) {
        [[maybe_unused]] const int shown_by_the_open_below = fchmodat(raw, name.c_str(), 0700, 0);
      }
      UniqueFd child(openat(raw, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
      if (!child) {
        fail(name);
        continue;
      }
      empty_directory(std::move(child), device, path + "/" + name, first_failure);
      if (unlinkat(raw, name.c_str(), AT_REMOVEDIR) < 0 && errno != ENOENT) fail(name);
    } else if (unlinkat(raw, name.c_str(), 0) < 0 && errno != ENOENT) {
      fail(name);
    }
  }
}

}  // namespace

std::string read_file(const std::string& path, std::size_t limit) {
  UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) throw system_error(errno, "opening " + path);
  return read_open_file(fd, path, limit);
}

std::optional<std::string> read_file_if_exists(const std::string& path, std::size_t limit) {
  UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) {
    if (errno == ENOENT || errno == ENOTDIR) return std::nullopt;
    throw system_error(errno, "opening " + path);
  }
  return read_open_file(fd, path, limit);
}

void write_all(int fd, std::string_view bytes, std::string_view what) {
  while (!bytes.empty()) {
    const ssize_t written = write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) throw system_error(errno, what);
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
}

void write_file_atomic(const std::string& path, std::string_view text, unsigned mode) {
  std::string temporary = path + ".XXXXXX";
  UniqueFd fd(mkostemp(temporary.data(), O_CLOEXEC));
  if (!fd) throw system_error(errno, "making a file beside " + path);
  try {
    write_all(fd.get(), text, "writing " + path);
    if (fchmod(fd.get(), mode) < 0) throw system_error(errno, "setting the mode of " + path);
    fd.reset();
    if (rename(temporary.c_str(), path.c_str()) < 0) throw system_error(errno, "writing " + path);
  } catch (...) {
    unlink(temporary.c_str());
    throw;
  }
}

void make_directories(const std::string& path, unsigned mode) {
  for (std::size_t slash = path.find('/', 1); slash != std::string::npos; slash = path.find('/', slash + 1)) {
    const std::string parent = path.substr(0, slash);
    if (mkdir(parent.c_str(), mode) < 0 && errno != EEXIST) throw system_error(errno, "making the directory " + parent);
  }
  if (mkdir(path.c_str(), mode) < 0) {
    if (errno != EEXIST) throw system_error(errno, "making the directory " + path);
    struct stat info {};
    if (stat(path.c_str(), &info) < 0 || !S_ISDIR(info.st_mode))
      throw system_error(ENOTDIR, "making the directory " + path);
  }
}

std::string remove_tree(const std::string& path) noexcept {
  try {
    struct stat info {};
    if (lstat(path.c_str(), &info) < 0) return errno == ENOENT ? "" : system_error(errno, path).what();
    if (!S_ISDIR(info.st_mode)) {
      if (unlink(path.c_str()) < 0 && errno != ENOENT) return system_error(errno, path).what();
      return {};
    }
    if ((info.st_mode & 0700) != 0700) chmod(path.c_str(), 0700);
    UniqueFd fd(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!fd) return system_error(errno, path).what();
    std::string failure;
    empty_directory(std::move(fd), info.st_dev, path, failure);
    if (rmdir(path.c_str()) < 0 && errno != ENOENT && failure.empty()) failure = system_error(errno, path).what();
    return failure;
  } catch (const std::exception& error) {
    return error.what();
  }
}

std::optional<FileLock> FileLock::try_acquire(const std::string& path) {
  UniqueFd fd(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!fd) throw system_error(errno, "opening the lock " + path);
  if (flock(fd.get(), LOCK_EX | LOCK_NB) < 0) {
    if (errno == EWOULDBLOCK) return std::nullopt;
    throw system_error(errno, "locking " + path);
  }
  return FileLock(std::move(fd));
}

bool FileLock::is_held(const std::string& path) {
  UniqueFd fd(open(path.c_str(), O_RDWR | O_CLOEXEC));
  if (!fd) return false;
  // A shared lock lets two askers ask at once without seeing each other.
  return flock(fd.get(), LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK;
}

}  // namespace agentvm
