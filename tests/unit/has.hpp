// has.hpp - whether a text contains another, for checks on messages.
#pragma once

#include <string_view>

namespace agentvm::test {

inline bool has(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

}  // namespace agentvm::test
