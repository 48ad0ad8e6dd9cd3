// interruption.hpp - puts off our end by Ctrl-C until what we have started is ended.
#pragma once

#include <signal.h>

#include "base/unique_fd.hpp"

namespace agentvm::image {

/// While it lives, SIGINT, SIGTERM and SIGHUP do not end this thread's process, except those it ignores anyway: they
/// wait. Whoever sees one come ends its children; the destructor lets the signal do what it does.
class Interruption {
 public:
  /// Throws Error when there are no descriptors left.
  Interruption();
  Interruption(const Interruption&) = delete;
  Interruption& operator=(const Interruption&) = delete;
  ~Interruption();

  /// Waits until such a signal has come (true), or until `fd` can be read or is at its end.
  bool comes_before(int fd) const;

 private:
  sigset_t before_{};
  UniqueFd signals_;
};

}  // namespace agentvm::image
