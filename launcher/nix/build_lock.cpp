// build_lock.cpp - flock(2), waited for.
#include "launcher/nix/build_lock.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <cerrno>

#include "base/error.hpp"
#include "base/unique_fd.hpp"

namespace agentvm::image {

namespace {

/// Whether the locked file is still the one that others find.
bool is_file_at(int fd, const std::string& path) {
  struct stat held {};
  struct stat found {};
  return fstat(fd, &held) == 0 && stat(path.c_str(), &found) == 0 && held.st_dev == found.st_dev &&
         held.st_ino == found.st_ino;
}

}  // namespace

FileLock lock_build(const std::string& path) {
  for (;;) {
    make_directories(path.substr(0, path.rfind('/')));
    UniqueFd fd(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    if (!fd && errno == ENOENT) continue;
    if (!fd) throw system_error(errno, "opening " + path);
    while (flock(fd.get(), LOCK_EX) < 0) {
      if (errno != EINTR) throw system_error(errno, "locking " + path);
    }
    if (is_file_at(fd.get(), path)) return FileLock::adopt(std::move(fd));
  }
}

}  // namespace agentvm::image
