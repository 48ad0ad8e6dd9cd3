// override.cpp - flags of the command line as the topmost layer of a profile.
#include <algorithm>
#include <charconv>

#include "vmspec/profile/keys.hpp"
#include "vmspec/profile/layer_reader.hpp"
#include "vmspec/profile/profile.hpp"
#include "vmspec/profile/setting.hpp"

namespace agentvm::vmspec {

namespace {

constexpr std::size_t max_parts = 8;

/// A value in TOML's own writing, as "[...]" or "{...}"; nullopt (with the reason) when it is none.
std::optional<Setting> parse_value(std::string_view value, const std::string& flag, std::vector<Problem>& problems) {
  auto root = parse_toml("value = " + std::string(value), flag, problems);
  if (!root) return std::nullopt;
  const Setting::Entry* entry = root->find("value");
  if (entry == nullptr || root->entries.size() != 1) {
    problems.push_back({.file = flag, .message = "must be one TOML value (got " + quote_value(value) + ")"});
    return std::nullopt;
  }
  return entry->value;
}

/// The type a value of this key has. Below a table (agent.env.NAME, model.key.command, arguments.deny) it follows the
/// table's own entries.
ValueType type_of(std::string_view key) {
  if (key.ends_with(".add")) return ValueType::list;
  if (const KeyRule* rule = find_key(key)) return rule->type;
  if (key == "model.key.command" || key.find(".arguments.deny.") != std::string_view::npos) return ValueType::list;
  return ValueType::string;
}

std::optional<Setting> value_of_flag(std::string_view key, std::string_view value, const std::string& flag,
                                     std::vector<Problem>& problems) {
  switch (type_of(key)) {
    case ValueType::string:
      break;
    case ValueType::table:
      if (value.starts_with('{')) return parse_value(value, flag, problems);
      break;
    case ValueType::list:
      if (value.starts_with('[')) return parse_value(value, flag, problems);
      return Setting::of_strings({std::string(value)});
    case ValueType::boolean: {
      if (value != "true" && value != "false") break;
      Setting out;
      out.kind = Setting::Kind::boolean;
      out.boolean = value == "true";
      return out;
    }
    case ValueType::integer: {
      Setting out;
      out.kind = Setting::Kind::integer;
      const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), out.integer);
      if (error == std::errc() && end == value.data() + value.size()) return out;
      break;
    }
  }
  // Not of the key's type: the key's own rule says so, as it would for a file.
  return Setting::of_string(std::string(value));
}

/// Places in a flag's value mean nothing to whoever typed it.
void forget_positions(Setting& setting) {
  setting.at = {};
  for (Setting& item : setting.items) forget_positions(item);
  for (Setting::Entry& entry : setting.entries) {
    entry.at = {};
    forget_positions(entry.value);
  }
}

void apply(Profile& profile, std::string_view key, Setting value, const std::string& flag,
           std::vector<Problem>& problems) {
  if (key == "extends" || key == "profile" || key == "profile.name") {
    problems.push_back({.file = flag,
                        .key = std::string(key),
                        .message = "cannot be set by a flag",
                        .hint = "name the profile with --profile"});
    return;
  }
  if (static_cast<std::size_t>(std::count(key.begin(), key.end(), '.')) > max_parts) {
    problems.push_back({.file = flag, .message = "unknown key " + quote_value(key)});
    return;
  }
  forget_positions(value);
  const std::string whole(key);
  while (true) {
    const std::size_t dot = key.rfind('.');
    Setting table;
    table.entries.push_back(
        {std::string(dot == std::string_view::npos ? key : key.substr(dot + 1)), {}, std::move(value)});
    value = std::move(table);
    if (dot == std::string_view::npos) break;
    key = key.substr(0, dot);
  }
  const std::size_t before = problems.size();
  LayerReader reader(flag, problems);
  apply_settings(profile, value, reader);
  // The reader stops at the first table it does not know; whoever typed the key looks for all of it.
  for (std::size_t i = before; i < problems.size(); ++i) {
    if (problems[i].message == "unknown key" && whole.starts_with(problems[i].key + ".")) problems[i].key = whole;
  }
}

}  // namespace

void apply_override(Profile& profile, std::string_view key, std::string_view value, std::string_view flag,
                    std::vector<Problem>& problems) {
  const std::string file(flag);
  if (auto setting = value_of_flag(key, value, file, problems)) {
    apply(profile, key, std::move(*setting), file, problems);
  }
}

void apply_override(Profile& profile, std::string_view key, const std::vector<std::string>& values,
                    std::string_view flag, std::vector<Problem>& problems) {
  apply(profile, key, Setting::of_strings(values), std::string(flag), problems);
}

}  // namespace agentvm::vmspec
