// bounded.hpp - JSON from others: looked over before it is built, and read the same by every parser or not at all.
#pragma once

#include <cstddef>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

namespace agentvm {

struct JsonLimits {
  std::size_t bytes;          ///< of the text
  std::size_t depth = 64;     ///< levels of objects and arrays
  std::size_t keys = 10'000;  ///< in the whole document
};

/// Why a text is not taken, in a few words: too long, bad syntax or UTF-8, deeper or with more keys than the limits,
/// or a key twice in one object (one parser takes the first, another the last). "": it is taken. Nothing is built, so
/// a refusal costs no memory.
std::string json_refusal(std::string_view text, const JsonLimits& limits);

/// The document; throws Error "WHAT is not taken: REASON".
nlohmann::json parse_bounded_json(std::string_view text, const JsonLimits& limits, std::string_view what);

}  // namespace agentvm
