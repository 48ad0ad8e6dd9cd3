// keys.hpp - the table of every key a profile may have: its type, how it is read, how it is shown.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "vmspec/profile/layer_reader.hpp"
#include "vmspec/profile/profile.hpp"
#include "vmspec/profile/setting.hpp"

namespace agentvm::vmspec {

/// How a flag's text becomes a value.
enum class ValueType { string, list, boolean, integer, table };

/// Where a key's value is read to: a profile and, for keys of [mcp.NAME], one server of it.
struct KeyTarget {
  Profile& profile;
  McpServer* server = nullptr;
};
struct KeySubject {
  const Profile& profile;
  const McpServer* server = nullptr;
};

/// One key. `*` in `key` stands for the name of an MCP server.
struct KeyRule {
  std::string_view key;
  ValueType type;
  void (*read)(LayerReader& reader, const Setting& setting, const KeyTarget& target);
  /// TOML of the value; "" leaves the key out (what it stands for cannot be written, or is the default of a list).
  std::string (*show)(const KeySubject& subject);
};

/// All keys, in the order in which they are shown.
std::span<const KeyRule> key_rules();

/// The rule for a dotted key, "mcp.nixos.command" included; nullptr when there is none.
const KeyRule* find_key(std::string_view key);

/// Everything a layer sets, applied over the profile.
void apply_settings(Profile& profile, const Setting& root, LayerReader& reader);

}  // namespace agentvm::vmspec
