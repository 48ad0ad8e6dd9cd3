// clock.hpp - the time that limits are measured by; a test brings a clock of its own.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>

namespace agentvm {

/// Monotonic time. Outlives every coroutine that was given it.
class Clock {
 public:
  using Time = std::chrono::steady_clock::time_point;

  virtual ~Clock() = default;
  virtual Time now() const noexcept = 0;
  /// Returns at `deadline`. Throws operation_aborted when the coroutine is cancelled.
  virtual boost::asio::awaitable<void> sleep_until(Time deadline) = 0;

  boost::asio::awaitable<void> sleep(std::chrono::milliseconds time) { return sleep_until(after(time)); }
  /// now() + `time`; milliseconds::max() is the end of time.
  Time after(std::chrono::milliseconds time) const noexcept {
    const Time start = now();
    return time >= std::chrono::duration_cast<std::chrono::milliseconds>(Time::max() - start) ? Time::max()
                                                                                              : start + time;
  }
};

/// CLOCK_MONOTONIC.
class SteadyClock final : public Clock {
 public:
  Time now() const noexcept override { return std::chrono::steady_clock::now(); }
  boost::asio::awaitable<void> sleep_until(Time deadline) override {
    boost::asio::steady_timer timer(co_await boost::asio::this_coro::executor, deadline);
    co_await timer.async_wait(boost::asio::use_awaitable);
  }
};

}  // namespace agentvm
