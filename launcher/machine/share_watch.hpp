// share_watch.hpp - what a running virtiofsd asks of its parent: a place for its words, and setgid bits on directories.
//
// virtiofsd writes its complaints to a pipe, not to the file: a guest that provokes one with every request would fill
// the disk. Under suid_filter() the kernel holds a chmod that would set a setgid bit and asks here; it is done for a
// directory, which only hands its group on, and refused for everything else.
#pragma once

#include <cstddef>
#include <thread>

#include "base/unique_fd.hpp"

namespace agentvm::workspace {

/// A thread of its own: system calls of virtiofsd wait for it, and the event loop may be busy.
class ShareWatch {
 public:
  static constexpr std::size_t log_limit = std::size_t{1} << 20;

  /// `words`: the reading end of virtiofsd's stderr. `log`: where they are appended while the file is shorter than
  /// log_limit bytes. `chmods`: what the filter's listener is; none: nobody asks. Throws Error.
  ShareWatch(UniqueFd words, UniqueFd log, UniqueFd chmods);
  /// Writes what has been said, and ends. A chmod that still waits fails.
  ~ShareWatch();
  ShareWatch(const ShareWatch&) = delete;
  ShareWatch& operator=(const ShareWatch&) = delete;

 private:
  void run() noexcept;
  /// False: nothing more will come.
  bool copy_words() noexcept;
  bool answer_chmod() noexcept;

  UniqueFd words_, log_, chmods_, stop_;
  bool full_ = false;
  std::thread thread_;
};

}  // namespace agentvm::workspace
