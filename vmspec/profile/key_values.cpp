// key_values.cpp - keys whose values are more than one word or list: how they are read and shown.
#include "vmspec/profile/key_values.hpp"

#include <fmt/format.h>

#include "vmspec/plan/paths.hpp"
#include "vmspec/profile/rules.hpp"
#include "vmspec/profile/toml_text.hpp"

namespace agentvm::vmspec {

void read_paths(LayerReader& reader, const Setting& setting, std::vector<std::string>& out) {
  reader.list(setting, out, rules::exposed_path);
  for (std::string& path : out) path = normal_path(path, true).value_or(path);
}

void read_modules(LayerReader& reader, const Setting& setting, std::vector<std::string>& out) {
  const std::vector<std::string> before = out;
  reader.list(setting, out, rules::non_empty);
  const std::string file = reader.origin({}).file;
  const std::size_t slash = file.rfind('/');
  if (out == before || slash == std::string::npos) return;
  // What KEY.add found there belongs to other files.
  const bool added = setting.kind == Setting::Kind::table;
  for (std::size_t i = added ? before.size() : 0; i < out.size(); ++i) {
    if (out[i].front() != '/' && !out[i].starts_with("~/")) out[i].insert(0, file.substr(0, slash + 1));
  }
}

void read_mount(LayerReader& reader, const Setting& setting, const KeyTarget& target) {
  std::string& mount = target.profile.workspace.mount;
  reader.text(setting, mount, rules::mount);
  mount = normal_path(mount).value_or(mount);
}

void read_base_name(LayerReader& reader, const Setting& setting, const KeyTarget& /*target*/) {
  std::string name;
  if (setting.kind != Setting::Kind::table) return reader.text(setting, name, rules::profile_name);
  for (const Setting::Entry& entry : setting.entries) {
    if (entry.name == "name") {
      reader.enter("profile.name");
      reader.text(entry.value, name, rules::profile_name);
    } else {
      reader.unknown(entry.at, "profile", entry.name, {"name"});
    }
  }
}

void read_extends(LayerReader& reader, const Setting& setting, const KeyTarget& /*target*/) {
  std::string name;
  reader.text(setting, name, rules::profile_name);
}

namespace {

void read_variables(LayerReader& reader, const Setting& setting, const KeyTarget& target,
                    std::map<std::string, std::string>& variables) {
  if (setting.kind != Setting::Kind::table) return reader.refuse(setting, "must be a table of strings");
  if (variables.size() + setting.entries.size() > max_variables) {
    return reader.refuse(setting, fmt::format("must have at most {} variables", max_variables));
  }
  const std::string base = reader.key();
  for (const Setting::Entry& entry : setting.entries) {
    reader.enter(base + "." + entry.name);
    if (const std::string wrong = rules::variable(entry.name); !wrong.empty()) {
      reader.problem(entry.at, reader.key(), wrong + " (got " + quote_value(entry.name) + ")");
      continue;
    }
    reader.text(entry.value, variables[entry.name], rules::argument);
    target.profile.origins[reader.key()] = reader.origin(entry.value.at);
  }
}

}  // namespace

void read_env(LayerReader& reader, const Setting& setting, const KeyTarget& target) {
  read_variables(reader, setting, target, target.profile.agent.env);
}

void read_server_env(LayerReader& reader, const Setting& setting, const KeyTarget& target) {
  read_variables(reader, setting, target, target.server->env);
}

void read_model_key(LayerReader& reader, const Setting& setting, const KeyTarget& target) {
  if (setting.kind != Setting::Kind::table || setting.entries.size() > 1) {
    return reader.refuse(setting,
                         "must be one of { env = NAME }, { file = PATH }, { command = [...] }, or {} for no key");
  }
  KeySource key;
  for (const Setting::Entry& entry : setting.entries) {
    reader.enter("model.key." + entry.name);
    if (entry.name == "env") {
      key.kind = KeySource::Kind::env;
      reader.text(entry.value, key.name, rules::variable);
    } else if (entry.name == "file") {
      key.kind = KeySource::Kind::file;
      reader.text(entry.value, key.name, rules::key_file);
    } else if (entry.name == "command") {
      key.kind = KeySource::Kind::command;
      reader.list(entry.value, key.command, rules::argument);
      if (entry.value.kind == Setting::Kind::array && entry.value.items.empty()) {
        reader.refuse(entry.value, "must name a program");
      }
    } else {
      return reader.unknown(entry.at, "model.key", entry.name, {"env", "file", "command"});
    }
    if (key.name.empty() && key.command.empty()) return;
  }
  target.profile.model.key = key;
}

std::string show_model_key(const KeySource& key) {
  switch (key.kind) {
    case KeySource::Kind::env:
      return "{ env = " + toml_string(key.name) + " }";
    case KeySource::Kind::file:
      return "{ file = " + toml_string(key.name) + " }";
    case KeySource::Kind::command:
      return "{ command = " + toml_array(key.command) + " }";
    case KeySource::Kind::none:
      break;
  }
  return "{}";
}

void read_arguments_deny(LayerReader& reader, const Setting& setting, const KeyTarget& target) {
  const std::string base = reader.key();
  if (setting.kind != Setting::Kind::table) return reader.refuse(setting, "must be a table of tools");
  for (const Setting::Entry& tool : setting.entries) {
    reader.enter(base + "." + tool.name);
    if (tool.value.kind != Setting::Kind::table) {
      reader.refuse(tool.value, "must be a table of the tool's arguments, each a list of refused values");
      continue;
    }
    auto& refused = target.server->arguments_deny[tool.name];
    for (const Setting::Entry& argument : tool.value.entries) {
      reader.enter(base + "." + tool.name + "." + argument.name);
      reader.list(argument.value, refused[argument.name], rules::argument);
      target.profile.origins[reader.key()] = reader.origin(argument.value.at);
    }
  }
}

std::string show_arguments_deny(const McpServer& server) {
  if (server.arguments_deny.empty()) return "";
  std::string out;
  for (const auto& [tool, arguments] : server.arguments_deny) {
    std::string inner;
    for (const auto& [argument, values] : arguments) {
      inner += (inner.empty() ? "" : ", ") + toml_key(argument) + " = " + toml_array(values);
    }
    out += (out.empty() ? "" : ", ") + toml_key(tool) + " = { " + inner + " }";
  }
  return "{ " + out + " }";
}

void read_tools_allow(LayerReader& reader, const Setting& setting, const KeyTarget& target) {
  std::vector<std::string> tools = target.server->tools_allow.value_or(std::vector<std::string>());
  reader.list(setting, tools, rules::non_empty);
  target.server->tools_allow = std::move(tools);
}

}  // namespace agentvm::vmspec
