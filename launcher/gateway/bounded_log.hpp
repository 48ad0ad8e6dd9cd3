// bounded_log.hpp - a log file that a talkative program cannot fill the disk with.
#pragma once

#include <string>
#include <string_view>

#include "base/unique_fd.hpp"

namespace agentvm::gateway {

class BoundedLog {
 public:
  /// Opens for appending, mode 0600. Throws Error naming the path.
  BoundedLog(const std::string& path, std::size_t limit);
  /// Writes what still fits; the first byte that does not is replaced by one line that says so. Failures are ignored:
  /// a full disk must not end what is being logged.
  void append(std::string_view bytes) noexcept;

 private:
  UniqueFd fd_;
  std::size_t left_;
  bool full_ = false;
};

}  // namespace agentvm::gateway
