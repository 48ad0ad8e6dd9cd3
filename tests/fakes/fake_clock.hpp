// fake_clock.hpp - a clock that moves when the test says so.
#pragma once

#include <chrono>

#include "base/async/clock.hpp"
#include "base/async/event.hpp"

namespace agentvm {

/// Starts at an arbitrary time and stands still until advance().
class FakeClock final : public Clock {
 public:
  explicit FakeClock(boost::asio::any_io_executor executor) : moved_(std::move(executor)) {}

  Time now() const noexcept override { return now_; }
  boost::asio::awaitable<void> sleep_until(Time deadline) override {
    while (now_ < deadline) co_await moved_.wait();
  }
  /// Wakes every sleeper whose time has come, at the loop's next turn.
  void advance(std::chrono::milliseconds time) {
    now_ += time;
    moved_.notify();
  }

 private:
  Time now_{std::chrono::hours(1)};
  AsyncEvent moved_;
};

}  // namespace agentvm
