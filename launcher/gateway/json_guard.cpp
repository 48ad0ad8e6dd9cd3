// json_guard.cpp - see json_guard.hpp.
#include "launcher/gateway/json_guard.hpp"

#include "base/json/bounded.hpp"

namespace agentvm::gateway {

GuardedJson guarded_parse(std::string_view text) {
  const JsonLimits limits{.bytes = std::string_view::npos, .depth = max_json_depth, .keys = max_json_keys};
  if (std::string refusal = json_refusal(text, limits); !refusal.empty()) return {.refusal = std::move(refusal)};
  return {.value = nlohmann::json::parse(text, nullptr, false)};
}

std::string string_member(const nlohmann::json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
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
