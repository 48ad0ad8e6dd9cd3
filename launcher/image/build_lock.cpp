// build_lock.cpp - flock(2), waited for.
#include "launcher/image/build_lock.hpp"

#include <fcntl.h>
#include <sys/file.h>

#include <cerrno>

#include "base/error.hpp"
#include "base/unique_fd.hpp"

namespace agentvm::image {

FileLock lock_build(const std::string& path) {
  UniqueFd fd(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!fd) throw system_error(errno, "opening " + path);
  while (flock(fd.get(), LOCK_EX) < 0) {
    if (errno != EINTR) throw system_error(errno, "locking " + path);
  }
  return FileLock::adopt(std::move(fd));
}

}  // namespace agentvm::image
