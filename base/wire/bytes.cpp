// bytes.cpp - words of the system in JSON.
#include "base/wire/bytes.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/utf8.hpp"
#include "base/wire/base64.hpp"

namespace agentvm {

using nlohmann::json;

json word_to_json(const std::string& word) {
  if (is_utf8(word)) return word;
  json object = json::object();
  object["base64"] = guest::base64_encode(word);
  return object;
}

std::optional<std::string> word_from_json(const json& value) {
  std::optional<std::string> word;
  if (value.is_string()) {
    word = value.get<std::string>();
  } else if (value.is_object() && value.size() == 1 && value.contains("base64") && value["base64"].is_string()) {
    word = guest::base64_decode(value["base64"].get_ref<const std::string&>());
  }
  if (word && word->find('\0') != std::string::npos) return std::nullopt;
  return word;
}

}  // namespace agentvm
