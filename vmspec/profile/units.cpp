// units.cpp - sizes and durations as people write them, both ways.
#include "vmspec/profile/units.hpp"

#include <array>
#include <charconv>
#include <limits>
#include <utility>

namespace agentvm::vmspec {

namespace {

/// Takes a whole number off the front.
std::optional<std::uint64_t> take_number(std::string_view& text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end == text.data()) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return value;
}

struct SizeUnit {
  std::string_view name;
  unsigned shift;
};
constexpr std::array<SizeUnit, 8> size_units = {
    {{"KiB", 10}, {"MiB", 20}, {"GiB", 30}, {"TiB", 40}, {"K", 10}, {"M", 20}, {"G", 30}, {"T", 40}}};

struct TimeUnit {
  std::string_view name;
  std::int64_t milliseconds;
};
/// Largest first: format_duration takes them in this order, and no name is the beginning of a later one but "m" of
/// "ms".
constexpr std::array<TimeUnit, 5> time_units = {
    {{"d", 86'400'000}, {"h", 3'600'000}, {"m", 60'000}, {"s", 1000}, {"ms", 1}}};

}  // namespace

std::optional<std::uint64_t> parse_size(std::string_view text) {
  const auto number = take_number(text);
  if (!number) return std::nullopt;
  for (const SizeUnit& unit : size_units) {
    if (text != unit.name) continue;
    if (*number > (std::uint64_t{1} << 63) >> unit.shift) return std::nullopt;
    return *number << unit.shift;
  }
  return std::nullopt;
}

std::string format_size(std::uint64_t bytes) {
  for (std::size_t i = 4; i-- > 0;) {
    const std::uint64_t unit = std::uint64_t{1} << size_units[i].shift;
    if (bytes >= unit && bytes % unit == 0) return std::to_string(bytes / unit) + std::string(size_units[i].name);
  }
  return std::to_string(bytes >> 10) + "KiB";
}

std::optional<std::int64_t> parse_duration(std::string_view text) {
  if (text == "0") return 0;
  constexpr std::int64_t limit = std::numeric_limits<std::int64_t>::max();
  std::int64_t total = 0;
  while (!text.empty()) {
    const auto number = take_number(text);
    if (!number) return std::nullopt;
    const std::size_t length = text.starts_with("ms") ? 2 : 1;
    const std::string_view name = text.substr(0, length);
    const TimeUnit* found = nullptr;
    for (const TimeUnit& unit : time_units) {
      if (unit.name == name) found = &unit;
    }
    if (found == nullptr) return std::nullopt;
    if (*number > static_cast<std::uint64_t>(limit / found->milliseconds)) return std::nullopt;
    const std::int64_t part = static_cast<std::int64_t>(*number) * found->milliseconds;
    if (part > limit - total) return std::nullopt;
    total += part;
    text.remove_prefix(length);
    if (text.empty()) return total;
  }
  return std::nullopt;
}

std::string format_duration(std::int64_t milliseconds) {
  if (milliseconds <= 0) return "0";
  std::string out;
  for (const TimeUnit& unit : time_units) {
    const std::int64_t count = milliseconds / unit.milliseconds;
    if (count > 0) out += std::to_string(count) + std::string(unit.name);
    milliseconds %= unit.milliseconds;
  }
  return out;
}

}  // namespace agentvm::vmspec
