// keys.hpp - the table of every key a profile may have: its type, how it is read and shown, whom it is taken from, and
// its documentation.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "vmspec/profile/layer_reader.hpp"
#include "vmspec/profile/profile.hpp"
#include "vmspec/profile/setting.hpp"
#include "vmspec/profile/trust.hpp"

namespace agentvm::vmspec {

/// How a flag's text becomes a value.
enum class ValueType { string, list, boolean, integer, table };

/// Where a key's value is read to: a profile and, for keys of [mcp.NAME], one server of it.
struct KeyTarget {
  Profile& profile;
  McpServer* server = nullptr;
};

/// A key's row in docs/profile.md, in Markdown. Its default and its trust come from elsewhere.
struct KeyDoc {
  std::string takes;    ///< the form of its value, when the type does not say it
  std::string meaning;  ///< one line
};

/// One key. `*` in `key` stands for the name of an MCP server.
struct KeyRule {
  std::string_view key;
  ValueType type;
  Trust trust;
  KeyDoc doc;
  void (*read)(LayerReader& reader, const Setting& setting, const KeyTarget& target);
  /// TOML of the value; "" leaves the key out (what it stands for cannot be written, or is the default of a list).
  std::string (*show)(const KeySubject& subject);
};

/// All keys, in the order in which they are shown.
std::span<const KeyRule> key_rules();

/// The rule for a dotted key, "mcp.nixos.command" included; nullptr when there is none.
const KeyRule* find_key(std::string_view key);
/// The rule of exactly this pattern, "mcp.*.command"; nullptr when there is none.
const KeyRule* rule_for(std::string_view pattern);

/// Whether it is a key of [mcp.NAME], and what it is called there.
bool is_server_key(const KeyRule& rule);
std::string key_of_server(const KeyRule& rule, std::string_view server);

/// Everything a layer sets, applied over the profile.
void apply_settings(Profile& profile, const Setting& root, LayerReader& reader);

/// The keys as the Markdown table of docs/profile.md; defaults are those of the built-in profile "default".
std::string key_table();

}  // namespace agentvm::vmspec
