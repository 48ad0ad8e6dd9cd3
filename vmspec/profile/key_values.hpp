// key_values.hpp - keys whose values are more than one word or list: how they are read and shown.
#pragma once

#include <string>
#include <vector>

#include "vmspec/profile/keys.hpp"

namespace agentvm::vmspec {

/// Most variables of agent.env.
inline constexpr std::size_t max_variables = 1000;

/// guest.expose: paths, normal.
void read_paths(LayerReader& reader, const Setting& setting, std::vector<std::string>& out);
/// guest.modules: relative to the file that names them, as that file was looked up; a flag's are the caller's own.
void read_modules(LayerReader& reader, const Setting& setting, std::vector<std::string>& out);
/// workspace.mount
void read_mount(LayerReader& reader, const Setting& setting, const KeyTarget& target);
/// profile: a string, or the table [profile] with a name. Followed by resolve.cpp.
void read_base_name(LayerReader& reader, const Setting& setting, const KeyTarget& target);
/// extends; likewise.
void read_extends(LayerReader& reader, const Setting& setting, const KeyTarget& target);
/// agent.env: merged by variable.
void read_env(LayerReader& reader, const Setting& setting, const KeyTarget& target);
/// mcp.NAME.env: likewise.
void read_server_env(LayerReader& reader, const Setting& setting, const KeyTarget& target);
/// model.key: { env = NAME }, { file = PATH }, { command = [...] } or {}, replaced as a whole.
void read_model_key(LayerReader& reader, const Setting& setting, const KeyTarget& target);
std::string show_model_key(const KeySource& key);
/// mcp.NAME.arguments.deny: TOOL = { ARGUMENT = [VALUE...] }, merged by tool and argument.
void read_arguments_deny(LayerReader& reader, const Setting& setting, const KeyTarget& target);
std::string show_arguments_deny(const McpServer& server);
/// mcp.NAME.tools.allow
void read_tools_allow(LayerReader& reader, const Setting& setting, const KeyTarget& target);

}  // namespace agentvm::vmspec
