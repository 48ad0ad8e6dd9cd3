// key_table.cpp - the keys as the Markdown table of docs/profile.md.
#include <fmt/format.h>

#include "vmspec/profile/keys.hpp"

namespace agentvm::vmspec {

namespace {

std::string type_words(const KeyRule& rule) {
  if (!rule.doc.takes.empty()) return rule.doc.takes;
  switch (rule.type) {
    case ValueType::string:
      return "a string";
    case ValueType::list:
      return "strings";
    case ValueType::boolean:
      return "`true`, `false`";
    case ValueType::integer:
      return "a whole number";
    case ValueType::table:
      break;
  }
  return "a table of strings";
}

/// A cell ends at a bar, in code too.
std::string cell(std::string_view text) {
  std::string out;
  for (const char c : text) out += c == '|' ? std::string("\\|") : std::string(1, c);
  return out;
}

std::string code(const std::string& shown) {
  return shown.empty() || shown == "\"\"" ? "" : "`" + shown + "`";
}

std::string default_of(const KeyRule& rule, const Profile& profile) {
  if (!is_server_key(rule)) return code(rule.show({profile}));
  std::string out;
  for (const auto& [name, server] : profile.mcp) {
    const std::string shown = rule.show({profile, &server});
    if (!shown.empty() && shown != "[]") out += fmt::format("{}{}: {}", out.empty() ? "" : "; ", name, code(shown));
  }
  return out;
}

}  // namespace

std::string key_table() {
  std::vector<Problem> problems;
  Profile profile;
  apply_profile(profile, builtin_profiles().at("default"), problems);
  profile.description.clear();  // its own, nobody's default
  std::string out =
      "| key | takes | default | a file in the workspace | meaning |\n"
      "|---|---|---|---|---|\n";
  for (const KeyRule& rule : key_rules()) {
    std::string key(rule.key);
    if (is_server_key(rule)) key = key_of_server(rule, "NAME");
    out += fmt::format("| `{}` | {} | {} | {} | {} |\n", key, cell(type_words(rule)), cell(default_of(rule, profile)),
                       cell(rule.trust.rule()), cell(rule.doc.meaning));
  }
  return out;
}

}  // namespace agentvm::vmspec
