// utf8.hpp - text from strangers as UTF-8.
#pragma once

#include <string>
#include <string_view>

namespace agentvm {

/// The length of the UTF-8 character at the front, 0 for none (RFC 3629: no overlong forms, no surrogates).
std::size_t utf8_character_size(std::string_view text) noexcept;

bool is_utf8(std::string_view text) noexcept;

/// At most `limit` bytes of a text, cut between characters; bytes that are no UTF-8 become '?'.
std::string utf8_prefix(std::string_view text, std::size_t limit);

}  // namespace agentvm
