// keys.cpp - the table of every key a profile may have: its type, how it is read, how it is shown.
#include "vmspec/profile/keys.hpp"

#include <fmt/format.h>

#include "vmspec/plan/paths.hpp"
#include "vmspec/profile/rules.hpp"
#include "vmspec/profile/toml_text.hpp"
#include "vmspec/profile/units.hpp"

namespace agentvm::vmspec {

namespace {

constexpr std::uint64_t MiB = std::uint64_t{1} << 20;
constexpr std::uint64_t TiB = std::uint64_t{1} << 40;
constexpr std::int64_t thirty_days_ms = std::int64_t{30} * 24 * 3600 * 1000;

template <typename E>
std::string show_choice(E value) {
  return toml_string(name_of(value));
}

std::string show_bool(bool value) {
  return value ? "true" : "false";
}

void read_paths(LayerReader& reader, const Setting& setting, std::vector<std::string>& out) {
  reader.list(setting, out, rules::exposed_path);
  for (std::string& path : out) path = normal_path(path, true).value_or(path);
}

/// Relative to the file that names them, as that file was looked up; a flag's are the caller's own.
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

/// The name a layer stands on: a string, or the table [profile] with a name. Followed by profile_resolve.cpp.
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

void read_env(LayerReader& reader, const Setting& setting, const KeyTarget& target) {
  if (setting.kind != Setting::Kind::table) return reader.refuse(setting, "must be a table of strings");
  for (const Setting::Entry& entry : setting.entries) {
    reader.enter("agent.env." + entry.name);
    if (const std::string wrong = rules::variable(entry.name); !wrong.empty()) {
      reader.problem(entry.at, reader.key(), wrong + " (got " + quote_value(entry.name) + ")");
      continue;
    }
    reader.text(entry.value, target.profile.agent.env[entry.name], rules::argument);
    target.profile.origins[reader.key()] = reader.origin(entry.value.at);
  }
}

void read_server_env(LayerReader& reader, const Setting& setting, const KeyTarget& target) {
  if (setting.kind != Setting::Kind::table) return reader.refuse(setting, "must be a table of strings");
  const std::string base = reader.key();
  for (const Setting::Entry& entry : setting.entries) {
    reader.enter(base + "." + entry.name);
    if (const std::string wrong = rules::variable(entry.name); !wrong.empty()) {
      reader.problem(entry.at, reader.key(), wrong + " (got " + quote_value(entry.name) + ")");
      continue;
    }
    reader.text(entry.value, target.server->env[entry.name], rules::argument);
    target.profile.origins[reader.key()] = reader.origin(entry.value.at);
  }
}

/// { env = NAME }, { file = PATH }, { command = [...] } or {}: replaced as a whole.
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

/// TOOL = { ARGUMENT = [VALUE...] }; merged by tool and argument.
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

/// A key whose value is one member: how it is read and how it is shown.
#define AGENTVM_KEY(name, type, member, read_expression, show_expression)          \
  KeyRule {                                                                        \
    name, ValueType::type,                                                         \
        [](LayerReader& reader, const Setting& setting, const KeyTarget& target) { \
          auto& value = target.profile.member;                                     \
          read_expression;                                                         \
        },                                                                         \
        [](const KeySubject& subject) -> std::string {                             \
          const auto& value = subject.profile.member;                              \
          return show_expression;                                                  \
        }                                                                          \
  }
#define AGENTVM_CHOICE(name, member) \
  AGENTVM_KEY(name, string, member, reader.choice(setting, value), show_choice(value))
#define AGENTVM_TEXT(name, member, rule) \
  AGENTVM_KEY(name, string, member, reader.text(setting, value, rules::rule), toml_string(value))
#define AGENTVM_LIST(name, member, rule) \
  AGENTVM_KEY(name, list, member, reader.list(setting, value, rules::rule), toml_array(value))
#define AGENTVM_FLAG(name, member) AGENTVM_KEY(name, boolean, member, reader.flag(setting, value), show_bool(value))

const std::array rules_table = {
    AGENTVM_TEXT("description", description, any_line),
    KeyRule{"extends", ValueType::string, read_extends, [](const KeySubject&) { return std::string(); }},
    KeyRule{"profile", ValueType::string, read_base_name, [](const KeySubject&) { return std::string(); }},
    AGENTVM_KEY("machine.vcpus", integer, machine.vcpus, reader.number(setting, value, 1, 256), std::to_string(value)),
    AGENTVM_KEY("machine.memory", string, machine.memory_bytes, reader.size(setting, value, 256 * MiB, 16 * TiB),
                toml_string(format_size(value))),
    AGENTVM_KEY("machine.disk", string, machine.disk_bytes, reader.size(setting, value, 64 * MiB, 16 * TiB),
                toml_string(format_size(value))),
    AGENTVM_CHOICE("machine.hypervisor", machine.hypervisor),
    AGENTVM_TEXT("machine.connect", machine.connect, connect),
    AGENTVM_CHOICE("guest.source", guest.source),
    AGENTVM_LIST("guest.packages", guest.packages, package),
    AGENTVM_KEY("guest.modules", list, guest.modules, read_modules(reader, setting, value), toml_array(value)),
    AGENTVM_TEXT("guest.nixpkgs", guest.nixpkgs, flake),
    AGENTVM_FLAG("guest.devshell", guest.devshell),
    AGENTVM_LIST("guest.tools", guest.tools, tool),
    AGENTVM_KEY("guest.expose", list, guest.expose, read_paths(reader, setting, value), toml_array(value)),
    AGENTVM_TEXT("guest.user", guest.user, user),
    AGENTVM_CHOICE("store.share", store.share),
    AGENTVM_FLAG("store.writable", store.writable),
    AGENTVM_CHOICE("workspace.mode", workspace.mode),
    KeyRule{"workspace.mount", ValueType::string, read_mount,
            [](const KeySubject& subject) { return toml_string(subject.profile.workspace.mount); }},
    AGENTVM_LIST("workspace.hide", workspace.hide, hidden_glob),
    AGENTVM_CHOICE("network.egress", network.egress),
    AGENTVM_LIST("network.allow", network.allow, domain),
    AGENTVM_LIST("network.publish", network.publish, publish),
    AGENTVM_CHOICE("agent.kind", agent.kind),
    AGENTVM_TEXT("agent.package", agent.package, agent_package),
    AGENTVM_CHOICE("agent.autonomy", agent.autonomy),
    AGENTVM_LIST("agent.args", agent.args, argument),
    KeyRule{"agent.env", ValueType::table, read_env,
            [](const KeySubject& subject) { return toml_inline_table(subject.profile.agent.env); }},
    AGENTVM_KEY("agent.timeout", string, agent.timeout_ms, reader.duration(setting, value, thirty_days_ms),
                toml_string(format_duration(value))),
    AGENTVM_LIST("agent.command", agent.command, argument),
    AGENTVM_TEXT("model.name", model.name, non_empty),
    AGENTVM_TEXT("model.upstream", model.upstream, upstream),
    KeyRule{"model.key", ValueType::table, read_model_key,
            [](const KeySubject& subject) { return show_model_key(subject.profile.model.key); }},
    AGENTVM_CHOICE("model.wire", model.wire),
    KeyRule{"mcp.*.command", ValueType::list,
            [](LayerReader& reader, const Setting& setting, const KeyTarget& target) {
              reader.list(setting, target.server->command, rules::argument);
            },
            [](const KeySubject& subject) { return toml_array(subject.server->command); }},
    KeyRule{"mcp.*.tools.allow", ValueType::list, read_tools_allow,
            [](const KeySubject& subject) {
              return subject.server->tools_allow ? toml_array(*subject.server->tools_allow) : std::string();
            }},
    KeyRule{"mcp.*.tools.deny", ValueType::list,
            [](LayerReader& reader, const Setting& setting, const KeyTarget& target) {
              reader.list(setting, target.server->tools_deny, rules::non_empty);
            },
            [](const KeySubject& subject) { return toml_array(subject.server->tools_deny); }},
    KeyRule{"mcp.*.arguments.deny", ValueType::table, read_arguments_deny,
            [](const KeySubject& subject) { return show_arguments_deny(*subject.server); }},
    KeyRule{"mcp.*.env", ValueType::table, read_server_env,
            [](const KeySubject& subject) { return toml_inline_table(subject.server->env); }},
    KeyRule{"mcp.*.network", ValueType::list,
            [](LayerReader& reader, const Setting& setting, const KeyTarget& target) {
              reader.list(setting, target.server->network, rules::reachable);
            },
            [](const KeySubject& subject) { return toml_array(subject.server->network); }},
    AGENTVM_FLAG("agents_md.write", agents_md.write),
};

#undef AGENTVM_FLAG
#undef AGENTVM_LIST
#undef AGENTVM_TEXT
#undef AGENTVM_CHOICE
#undef AGENTVM_KEY

/// Keys one step below a table ("" is the top), as they are written.
std::vector<std::string> siblings_of(std::string_view pattern) {
  std::vector<std::string> out;
  for (const KeyRule& rule : rules_table) {
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

const KeyRule* rule_for(std::string_view pattern) {
  for (const KeyRule& rule : rules_table) {
    if (rule.key == pattern) return &rule;
  }
  return nullptr;
}

/// Where apply_table is: the dotted key as written, the same with '*' for a server's name, and that server.
struct Place {
  std::string key;
  std::string pattern;
  McpServer* server = nullptr;
};

void apply_table(Profile& profile, const Setting& table, const Place& place, LayerReader& reader);

void apply_entry(Profile& profile, const Setting::Entry& entry, const Place& place, LayerReader& reader) {
  const bool names_server = place.pattern == "mcp";
  const auto join = [](const std::string& prefix, const std::string& name) {
    return prefix.empty() ? name : prefix + "." + name;
  };
  Place inner{join(place.key, entry.name), join(place.pattern, names_server ? "*" : entry.name), place.server};
  if (names_server) {
    if (const std::string wrong = rules::server_name(entry.name); !wrong.empty()) {
      return reader.problem(entry.at, inner.key, wrong + " (got " + quote_value(entry.name) + ")");
    }
    if (entry.value.kind == Setting::Kind::table) inner.server = &profile.mcp[entry.name];
  }
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

std::span<const KeyRule> key_rules() {
  return rules_table;
}

const KeyRule* find_key(std::string_view key) {
  if (key.starts_with("mcp.")) {
    const std::size_t dot = key.find('.', 4);
    if (dot == std::string_view::npos) return nullptr;
    return rule_for("mcp.*" + std::string(key.substr(dot)));
  }
  return rule_for(key);
}

void apply_settings(Profile& profile, const Setting& root, LayerReader& reader) {
  apply_table(profile, root, {}, reader);
}

}  // namespace agentvm::vmspec
