// bytes.hpp - words of the system (arguments, names, paths) in JSON, whose strings are UTF-8 alone.
//
// A word that is UTF-8 is a string. Any other is {"base64": "..."}: Linux takes every byte but NUL, and each passes as
// it is.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

namespace agentvm {

nlohmann::json word_to_json(const std::string& word);
/// nullopt: neither a string nor such an object, or a NUL byte is in it.
std::optional<std::string> word_from_json(const nlohmann::json& value);

}  // namespace agentvm
