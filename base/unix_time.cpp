// unix_time.cpp - the time of day as text.
#include "base/unix_time.hpp"

#include <time.h>

#include <array>
#include <cstdio>

namespace agentvm {

std::string timestamp_now() {
  const std::int64_t now = unix_ms();
  const time_t seconds = static_cast<time_t>(now / 1000);
  tm parts{};
  gmtime_r(&seconds, &parts);
  std::array<char, 32> text{};
  strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S", &parts);
  std::array<char, 8> fraction{};
  std::snprintf(fraction.data(), fraction.size(), ".%03dZ", static_cast<int>(now % 1000));
  return std::string(text.data()) + fraction.data();
}

}  // namespace agentvm
