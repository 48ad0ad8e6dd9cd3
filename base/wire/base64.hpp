// base64.hpp - bytes as text (RFC 4648, section 4, with padding).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace agentvm::guest {

std::string base64_encode(std::string_view bytes);
/// nullopt: not base64 (a wrong length, character or padding; line breaks are not accepted).
std::optional<std::string> base64_decode(std::string_view text);

}  // namespace agentvm::guest
