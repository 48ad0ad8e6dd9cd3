// event.hpp - lets coroutines of one thread wait until something was notified.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <utility>

namespace agentvm {

/// A condition variable for coroutines on one io_context: `while (!condition) co_await event.wait();`. Wakes everyone.
class AsyncEvent {
 public:
  explicit AsyncEvent(boost::asio::any_io_executor executor)
      : timer_(std::move(executor), boost::asio::steady_timer::time_point::max()) {}

  boost::asio::awaitable<void> wait() { co_await timer_.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable)); }
  void notify() noexcept { timer_.cancel(); }

 private:
  boost::asio::steady_timer timer_;
};

/// Returns when the time is over. Throws operation_aborted when the coroutine is cancelled: what follows a pause must
/// not run early because of that.
inline boost::asio::awaitable<void> sleep_for(std::chrono::milliseconds time) {
  boost::asio::steady_timer timer(co_await boost::asio::this_coro::executor, time);
  co_await timer.async_wait(boost::asio::use_awaitable);
}

}  // namespace agentvm
