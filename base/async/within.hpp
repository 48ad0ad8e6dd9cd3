// within.hpp - gives a coroutine a limit of time.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <optional>
#include <string>
#include <utility>

#include "base/async/clock.hpp"
#include "base/async/race.hpp"
#include "base/error.hpp"

namespace agentvm {

/// Runs `task`; at the limit cancels it and waits for its end. False: it was late. Throws what the task throws.
inline boost::asio::awaitable<bool> ended_within(Clock& clock, std::chrono::milliseconds limit,
                                                 boost::asio::awaitable<void> task) {
  auto late = clock.sleep(limit);
  auto outcome = race(std::move(task), std::move(late));
  const std::size_t first = co_await std::move(outcome);
  co_return first == 0;
}

/// "waited 90 s for WHAT", with `hint`.
inline Error late(std::chrono::milliseconds limit, const std::string& what, std::string hint = {}) {
  const auto ms = limit.count();
  const std::string time = ms % 1000 == 0 ? std::to_string(ms / 1000) + " s" : std::to_string(ms) + " ms";
  return Error("waited " + time + " for " + what, std::move(hint));
}

/// Runs `task` and returns its result; at the limit cancels it, waits for its end and throws late().
template <typename Value>
boost::asio::awaitable<Value> within(Clock& clock, std::chrono::milliseconds limit, std::string what,
                                     boost::asio::awaitable<Value> task, std::string hint = {}) {
  std::optional<Value> result;
  auto store = [](boost::asio::awaitable<Value> from, std::optional<Value>& to) -> boost::asio::awaitable<void> {
    to = co_await std::move(from);
  };
  auto stored = store(std::move(task), result);
  auto done = ended_within(clock, limit, std::move(stored));
  if (!co_await std::move(done)) {
    throw late(limit, what, std::move(hint));
  }
  co_return std::move(*result);
}

inline boost::asio::awaitable<void> within(Clock& clock, std::chrono::milliseconds limit, std::string what,
                                           boost::asio::awaitable<void> task, std::string hint = {}) {
  auto done = ended_within(clock, limit, std::move(task));
  if (!co_await std::move(done)) {
    throw late(limit, what, std::move(hint));
  }
}

}  // namespace agentvm
