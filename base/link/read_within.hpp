// read_within.hpp - reads a stream with a limit on the time.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "base/async/event.hpp"
#include "base/async/race.hpp"
#include "base/link/link.hpp"

namespace agentvm::link {

/// The next bytes of a stream, or nullopt when none came in time.
inline boost::asio::awaitable<std::optional<std::string>> read_within(Stream& stream, std::chrono::milliseconds time) {
  std::optional<std::string> bytes;
  const auto read = [&]() -> boost::asio::awaitable<void> { bytes = co_await stream.read(); };
  co_await race(read(), sleep_for(time));
  co_return bytes;
}

}  // namespace agentvm::link
