// race.hpp - runs coroutines side by side until the first of them ends.
#pragma once

#include <array>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <cstddef>
#include <exception>
#include <optional>
#include <string>
#include <tuple>

#include "base/async_event.hpp"
#include "base/link.hpp"

namespace agentvm::gateway {

/// Runs all arms; when one ends, cancels the others and waits for them. Returns the index of the one that ended first,
/// or throws what it threw. (asio's operator|| would wait on when an arm throws.)
template <typename... Arms>
boost::asio::awaitable<std::size_t> race(Arms... arms) {
  namespace asio = boost::asio;
  const auto executor = co_await asio::this_coro::executor;
  auto outcome =
      co_await asio::experimental::make_parallel_group(asio::co_spawn(executor, std::move(arms), asio::deferred)...)
          .async_wait(asio::experimental::wait_for_one(), asio::use_awaitable);
  const auto errors = std::apply(
      [](const auto&, auto&... error) { return std::array<std::exception_ptr, sizeof...(Arms)>{error...}; }, outcome);
  const std::size_t first = std::get<0>(outcome)[0];
  if (errors[first]) std::rethrow_exception(errors[first]);
  co_return first;
}

/// The next bytes of a stream, or nullopt when none came in time.
inline boost::asio::awaitable<std::optional<std::string>> read_within(link::Stream& stream,
                                                                      std::chrono::milliseconds time) {
  std::optional<std::string> bytes;
  const auto read = [&]() -> boost::asio::awaitable<void> { bytes = co_await stream.read(); };
  co_await race(read(), sleep_for(time));
  co_return bytes;
}

/// Counts one up for as long as it lives.
class Counted {
 public:
  explicit Counted(std::size_t& count) noexcept : count_(count) { ++count_; }
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;
  ~Counted() { --count_; }

 private:
  std::size_t& count_;
};

}  // namespace agentvm::gateway
