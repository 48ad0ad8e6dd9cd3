// toml_text.hpp - the single place where a string becomes TOML.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace agentvm::vmspec {

/// A basic string with its quotes; control characters (C1 too) as \uXXXX, so any valid UTF-8 survives (TOML 1.0,
/// "String").
std::string toml_string(std::string_view text);
/// A bare key where TOML allows one, else quoted.
std::string toml_key(std::string_view key);
std::string toml_array(const std::vector<std::string>& items);
/// { KEY = "VALUE", ... }
std::string toml_inline_table(const std::map<std::string, std::string>& entries);

}  // namespace agentvm::vmspec
