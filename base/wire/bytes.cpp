// bytes.cpp - words of the system in JSON.
#include "base/wire/bytes.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/wire/base64.hpp"

namespace agentvm {

namespace {

using nlohmann::json;

/// The bytes that may follow the first one of a sequence, and the range of the second (RFC 3629, section 4).
struct Tail {
  std::size_t length;
  unsigned char least, most;
};

std::optional<Tail> tail_of(unsigned char first) noexcept {
  constexpr unsigned char least = 0x80;
  constexpr unsigned char most = 0xbf;
  if (first < 0x80) return Tail{0, 0, 0};
  if (first >= 0xc2 && first <= 0xdf) return Tail{1, least, most};
  if (first == 0xe0) return Tail{2, 0xa0, most};
  if (first == 0xed) return Tail{2, least, 0x9f};
  if (first >= 0xe1 && first <= 0xef) return Tail{2, least, most};
  if (first == 0xf0) return Tail{3, 0x90, most};
  if (first >= 0xf1 && first <= 0xf3) return Tail{3, least, most};
  if (first == 0xf4) return Tail{3, least, 0x8f};
  return std::nullopt;
}

}  // namespace

bool is_utf8(std::string_view text) noexcept {
  while (!text.empty()) {
    const auto tail = tail_of(static_cast<unsigned char>(text.front()));
    if (!tail || text.size() <= tail->length) return false;
    for (std::size_t index = 1; index <= tail->length; ++index) {
      const auto byte = static_cast<unsigned char>(text[index]);
      const bool second = index == 1;
      if (byte < (second ? tail->least : 0x80) || byte > (second ? tail->most : 0xbf)) return false;
    }
    text.remove_prefix(tail->length + 1);
  }
  return true;
}

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
