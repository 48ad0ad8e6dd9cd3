// bounded_log.cpp - see bounded_log.hpp.
#include "launcher/gateway/bounded_log.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/error.hpp"

namespace agentvm::gateway {

namespace {

void write_what_goes(int fd, std::string_view bytes) noexcept {
  while (!bytes.empty()) {
    const ssize_t written = write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
}

}  // namespace

BoundedLog::BoundedLog(const std::string& path, std::size_t limit)
    : fd_(open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)), left_(limit) {
  if (!fd_) throw system_error(errno, "opening the log " + path);
}

void BoundedLog::append(std::string_view bytes) noexcept {
  if (full_) return;
  const std::size_t count = std::min(left_, bytes.size());
  write_what_goes(fd_.get(), bytes.substr(0, count));
  left_ -= count;
  if (count == bytes.size()) return;
  full_ = true;
  write_what_goes(fd_.get(), "\n[agentvm: the log is full, the rest is left out]\n");
}

}  // namespace agentvm::gateway
