// clock_jumps.hpp - hears when this host's clock was set, or went on after a suspend.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

namespace agentvm::machine {

/// A timer that is cancelled by each jump of CLOCK_REALTIME (timerfd_create(2), TFD_TIMER_CANCEL_ON_SET). The kernel
/// counts the way back from a suspend as one; NTP's small corrections are none.
class ClockJumps {
 public:
  /// Hears from now on. Throws Error.
  explicit ClockJumps(const boost::asio::any_io_executor& executor);
  /// Completes after the next jump, or one since the last call. One wait at a time; cancellable.
  boost::asio::awaitable<void> next();

 private:
  boost::asio::posix::stream_descriptor timer_;
};

}  // namespace agentvm::machine
