// json_guard.hpp - parses JSON from strangers: bounded in depth, and read the same by every parser or not at all.
#pragma once

#include <nlohmann/json.hpp>  // whole: only .cpp files of this folder include this header
#include <string>
#include <string_view>

#include "base/utf8.hpp"

namespace agentvm::gateway {

inline constexpr std::size_t max_json_depth = 64;
inline constexpr std::size_t max_json_keys = 10'000;  ///< in a whole document
inline constexpr std::size_t max_id_bytes = 256;      ///< of a JSON-RPC id, as JSON text

struct GuardedJson {
  nlohmann::json value = nlohmann::json::value_t::discarded;
  std::string refusal = {};  ///< "": taken
};

/// Parses one document. Refused, with the reason in a few words: bad syntax or UTF-8, more than max_json_depth levels
/// or max_json_keys keys, and an object with the same key twice (one parser takes the first, another the last).
GuardedJson guarded_parse(std::string_view text);

/// The member's string, or "" when there is none or it is none. `object` must be an object.
std::string string_member(const nlohmann::json& object, const char* name);

/// A key as the most lenient parser compares it: without regard to case, as Go's encoding/json does, which also takes
/// U+212A (Kelvin) for k and U+017F (long s) for s.
std::string folded_key(std::string_view key);

}  // namespace agentvm::gateway
