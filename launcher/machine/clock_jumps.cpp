// clock_jumps.cpp - a timer that never fires.
#include "launcher/machine/clock_jumps.hpp"

#include <sys/timerfd.h>
#include <unistd.h>

#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <cstdint>
#include <limits>

#include "base/error.hpp"
#include "base/unique_fd.hpp"

namespace agentvm::machine {

namespace asio = boost::asio;

ClockJumps::ClockJumps(const asio::any_io_executor& executor) : timer_(executor) {
  UniqueFd timer(timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC));
  itimerspec never{};
  never.it_value.tv_sec = std::numeric_limits<std::int32_t>::max();
  if (!timer || timerfd_settime(timer.get(), TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never, nullptr) < 0) {
    throw system_error(errno, "watching the clock");
  }
  timer_.assign(timer.release());
}

asio::awaitable<void> ClockJumps::next() {
  for (;;) {
    std::uint64_t fired = 0;
    if (read(timer_.native_handle(), &fired, sizeof fired) < 0 && errno == ECANCELED) co_return;
    co_await timer_.async_wait(asio::posix::stream_descriptor::wait_read, asio::use_awaitable);
  }
}

}  // namespace agentvm::machine
