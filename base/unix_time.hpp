// unix_time.hpp - the time of day as a number.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace agentvm {

/// Milliseconds since 1970-01-01 UTC, by the host's clock, which may be set. For how long something took, see Clock.
inline std::int64_t unix_ms() noexcept {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

/// "2026-01-31T12:00:00.123Z".
std::string timestamp_now();

}  // namespace agentvm
