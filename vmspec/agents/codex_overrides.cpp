// codex_overrides.cpp - what the guest's config.toml decides, as words of Codex's command line.
#include "vmspec/agents/codex_overrides.hpp"

#include <utility>

#include "base/error.hpp"
#include "vmspec/profile/setting.hpp"
#include "vmspec/profile/toml_text.hpp"

namespace agentvm::vmspec {

namespace {

std::string inline_toml(const Setting& value) {
  std::string out;
  switch (value.kind) {
    case Setting::Kind::string:
      return toml_string(value.text);
    case Setting::Kind::integer:
      return std::to_string(value.integer);
    case Setting::Kind::boolean:
      return value.boolean ? "true" : "false";
    case Setting::Kind::array:
      for (const Setting& item : value.items) out += (out.empty() ? "" : ", ") + inline_toml(item);
      return "[" + out + "]";
    case Setting::Kind::table:
      for (const Setting::Entry& entry : value.entries) {
        out += (out.empty() ? "" : ", ") + toml_key(entry.name) + " = " + inline_toml(entry.value);
      }
      return "{" + out + "}";
    case Setting::Kind::other:
      break;
  }
  throw Error("Codex's configuration holds " + describe(value) + ", which cannot be given on its command line");
}

/// As KEY=VALUE.
std::string assignment(const Setting::Entry& entry) {
  return entry.name + "=" + inline_toml(entry.value);
}

/// Of what a profile may say, all that is decided.
std::string own_profile(const Setting& root) {
  std::string keys;
  for (const char* name : {"model", "model_provider", "web_search", "features"}) {
    if (const Setting::Entry* entry = root.find(name)) keys += (keys.empty() ? "" : ", ") + assignment(*entry);
  }
  return "profiles={agentvm = {" + keys + "}}";
}

}  // namespace

std::vector<std::string> codex_overrides(const std::string& config, bool profiles) {
  std::vector<Problem> problems;
  const auto root = parse_toml(config, "config.toml", problems);
  if (!root) throw Error("Codex's configuration is no TOML");
  std::vector<std::string> words;
  const auto add = [&words](std::string text) {
    words.emplace_back("-c");
    words.push_back(std::move(text));
  };
  for (const Setting::Entry& entry : root->entries) add(assignment(entry));
  if (profiles) {
    add("profile=\"agentvm\"");
    add(own_profile(*root));
  }
  return words;
}

}  // namespace agentvm::vmspec
