// main_task.hpp - runs a program's one outermost coroutine on its io_context.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <exception>
#include <optional>
#include <utility>

namespace agentvm {

/// Runs the loop until the task has ended, and returns what it returns or throws what it throws. What it spawned must
/// have been joined by then: nothing else is waited for.
template <typename Value>
Value run_to_end(boost::asio::io_context& io, boost::asio::awaitable<Value> task) {
  std::optional<Value> result;
  std::exception_ptr failure;
  boost::asio::co_spawn(io, std::move(task), [&](const std::exception_ptr& error, Value value) {
    failure = error;
    result = std::move(value);
    io.stop();
  });
  io.run();
  if (failure) std::rethrow_exception(failure);
  return std::move(*result);
}

}  // namespace agentvm
