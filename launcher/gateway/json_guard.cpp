// json_guard.cpp - see json_guard.hpp.
#include "launcher/gateway/json_guard.hpp"

#include <set>
#include <vector>

namespace agentvm::gateway {

namespace {

/// Looks a document over without building it, so that a refusal costs no memory.
class Inspector final : public nlohmann::json_sax<nlohmann::json> {
 public:
  std::string refusal;

  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool start_object(std::size_t) override { return open(); }
  bool end_object() override { return close(); }
  bool start_array(std::size_t) override { return open(); }
  bool end_array() override { return close(); }
  bool key(string_t& name) override {
    if (++key_count_ > max_json_keys) {
      refusal = "more than " + std::to_string(max_json_keys) + " keys";
      return false;
    }
    if (keys_.back().insert(name).second) return true;
    refusal = "the key \"" + utf8_prefix(name, 40) + "\" stands twice in one object";
    return false;
  }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::json::exception&) override {
    refusal = "no valid JSON at byte " + std::to_string(position);
    return false;
  }

 private:
  bool open() {
    if (keys_.size() >= max_json_depth) {
      refusal = "more than " + std::to_string(max_json_depth) + " levels deep";
      return false;
    }
    keys_.emplace_back();
    return true;
  }
  bool close() {
    keys_.pop_back();
    return true;
  }

  std::vector<std::set<std::string>> keys_;
  std::size_t key_count_ = 0;
};

/// The length of the UTF-8 character at the front, 0 for none (RFC 3629: no overlong forms, no surrogates).
std::size_t character_size(std::string_view text) noexcept {
  const auto at = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U; };
  const auto tail = [&](std::size_t i) { return (at(i) & 0xC0U) == 0x80U; };
  const unsigned first = at(0);
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) return tail(1) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    if ((first == 0xE0 && at(1) < 0xA0) || (first == 0xED && at(1) > 0x9F)) return 0;
    return tail(1) && tail(2) ? 3 : 0;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    if ((first == 0xF0 && at(1) < 0x90) || (first == 0xF4 && at(1) > 0x8F)) return 0;
    return tail(1) && tail(2) && tail(3) ? 4 : 0;
  }
  return 0;
}

}  // namespace

GuardedJson guarded_parse(std::string_view text) {
  Inspector inspector;
  if (!nlohmann::json::sax_parse(text, &inspector)) return {.refusal = inspector.refusal};
  return {.value = nlohmann::json::parse(text, nullptr, false)};
}

std::string string_member(const nlohmann::json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::string utf8_prefix(std::string_view text, std::size_t limit) {
  std::string result;
  while (!text.empty() && result.size() < limit) {
    const std::size_t size = character_size(text);
    if (size == 0) {
      result += '?';
      text.remove_prefix(1);
      continue;
    }
    if (result.size() + size > limit) break;
    result += text.substr(0, size);
    text.remove_prefix(size);
  }
  return result;
}

std::string folded_key(std::string_view key) {
  std::string result;
  while (!key.empty()) {
    if (key.starts_with("\u212A")) {
      result += 'k';
      key.remove_prefix(3);
    } else if (key.starts_with("\u017F")) {
      result += 's';
      key.remove_prefix(2);
    } else {
      const char c = key.front();
      result += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
      key.remove_prefix(1);
    }
  }
  return result;
}

}  // namespace agentvm::gateway
