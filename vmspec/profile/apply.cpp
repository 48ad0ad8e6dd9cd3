// apply.cpp - lays what one text sets over a profile, key by key.
#include "vmspec/profile/keys.hpp"
#include "vmspec/profile/rules.hpp"
#include "vmspec/profile/toml_text.hpp"

namespace agentvm::vmspec {

namespace {

/// Keys one step below a table ("" is the top), as they are written.
std::vector<std::string> siblings_of(std::string_view pattern) {
  std::vector<std::string> out;
  for (const KeyRule& rule : key_rules()) {
    std::string_view key = rule.key;
    if (!pattern.empty()) {
      if (!key.starts_with(pattern) || key.size() <= pattern.size() || key[pattern.size()] != '.') continue;
      key.remove_prefix(pattern.size() + 1);
    }
    const std::string_view first = key.substr(0, key.find('.'));
    if (out.empty() || out.back() != first) out.emplace_back(first);
  }
  return out;
}

bool is_table(std::string_view pattern) {
  return !siblings_of(pattern).empty();
}

/// Where apply_table is: the dotted key as written, the same with '*' for a server's name, and that server.
struct Place {
  std::string key;
  std::string pattern;
  McpServer* server = nullptr;
};

std::string dotted(const std::string& prefix, const std::string& name) {
  return prefix.empty() ? name : prefix + "." + name;
}

/// A name that TOML takes in quotes ("mcp.*.command", "*") is one step, whatever our patterns make of its characters.
bool is_one_step(const std::string& name) {
  return name.find_first_of(".*") == std::string::npos;
}

void apply_table(Profile& profile, const Setting& table, const Place& place, LayerReader& reader);

void apply_entry(Profile& profile, const Setting::Entry& entry, const Place& place, LayerReader& reader) {
  const bool names_server = place.pattern == "mcp";
  if (names_server) {
    if (const std::string wrong = rules::server_name(entry.name); !wrong.empty()) {
      return reader.problem(entry.at, dotted(place.key, entry.name), wrong + " (got " + quote_value(entry.name) + ")");
    }
  } else if (!is_one_step(entry.name)) {
    return reader.unknown(entry.at, place.key, toml_key(entry.name), siblings_of(place.pattern));
  }
  Place inner{dotted(place.key, entry.name), dotted(place.pattern, names_server ? "*" : entry.name), place.server};
  if (names_server && entry.value.kind == Setting::Kind::table) inner.server = &profile.mcp[entry.name];
  if (const KeyRule* rule = rule_for(inner.pattern)) {
    reader.enter(inner.key);
    rule->read(reader, entry.value, {profile, inner.server});
    profile.origins[inner.key] = reader.origin(entry.value.at);
  } else if (!is_table(inner.pattern)) {
    reader.unknown(entry.at, place.key, entry.name, siblings_of(place.pattern));
  } else if (entry.value.kind != Setting::Kind::table) {
    reader.enter(inner.key);
    reader.refuse(entry.value, "must be a table");
  } else {
    if (names_server) profile.origins[inner.key] = reader.origin(entry.at);
    apply_table(profile, entry.value, inner, reader);
  }
}

void apply_table(Profile& profile, const Setting& table, const Place& place, LayerReader& reader) {
  for (const Setting::Entry& entry : table.entries) apply_entry(profile, entry, place, reader);
}

}  // namespace

void apply_settings(Profile& profile, const Setting& root, LayerReader& reader) {
  apply_table(profile, root, {}, reader);
}

}  // namespace agentvm::vmspec
