// race.hpp - runs coroutines side by side until the first of them ends.
#pragma once

#include <array>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cstddef>
#include <exception>
#include <tuple>

namespace agentvm {

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

}  // namespace agentvm
