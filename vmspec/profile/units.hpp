// units.hpp - sizes and durations as people write them, both ways.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace agentvm::vmspec {

/// Bytes of "512MiB", "4GiB", "1TiB", "64KiB", or with K, M, G, T (powers of 1024, as QEMU has them). A whole number
/// and a unit; nullopt for anything else or above 2^63.
std::optional<std::uint64_t> parse_size(std::string_view text);
/// The largest unit that divides it: "4GiB", "1536MiB". Sizes that are no multiple of 1 KiB have no text form.
std::string format_size(std::uint64_t bytes);

/// Milliseconds of "90s", "10m", "2h", "1d", "500ms", "1h30m", or "0". nullopt for anything else.
std::optional<std::int64_t> parse_duration(std::string_view text);
/// Units from the largest on: "1h30m", "90s" as "1m30s", "0".
std::string format_duration(std::int64_t milliseconds);

}  // namespace agentvm::vmspec
