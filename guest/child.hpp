// child.hpp - from a ProcessSpec to a running program: everything around fork and exec.
#pragma once

#include <sys/types.h>

#include "base/error.hpp"
#include "base/unique_fd.hpp"
#include "base/wire/guest.hpp"

namespace agentvm::guest {

/// A child on its way to exec, leader of its own session; our ends of its streams are non-blocking.
struct StartedChild {
  pid_t pid = -1;
  UniqueFd input;     ///< of stdin's pipe; none for a PTY and for stdin_null
  UniqueFd output;    ///< of stdout's pipe; none for a PTY
  UniqueFd errors;    ///< of stderr's pipe; none for a PTY
  UniqueFd terminal;  ///< the PTY's master
  UniqueFd failure;   ///< readable when exec was done (end of file) or failed (read_failure)
};

/// Forks. Throws Error (cannot_start) when not even that works. The child is the caller's to reap.
///
/// The program starts with default signal handlers and an empty mask, umask 022, the user's
/// groups (groups_of), a soft limit
/// of 1024 descriptors under our hard one, and nothing open but its three streams.
StartedChild start_child(const ProcessSpec& spec);

/// What the child could not do before exec.
struct StartFailure {
  enum class Step : int { none, session, streams, terminal, identity, directory, exec };
  Step step = Step::none;
  int error = 0;
};
/// Reads StartedChild::failure once it is readable; Step::none: the program runs.
StartFailure read_failure(int failure_fd) noexcept;
/// The sentence for it; not_found when there is no such program, else cannot_start.
Error failure_error(const ProcessSpec& spec, const StartFailure& failure);

}  // namespace agentvm::guest
