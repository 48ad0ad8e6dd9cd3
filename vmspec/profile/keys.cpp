// keys.cpp - the table of every key a profile may have. A new key is a member of Profile, a rule here, a test of its
// values (keys_test.cpp), and what the planner or a renderer makes of it.
#include "vmspec/profile/keys.hpp"

#include <fmt/format.h>

#include <vector>

#include "vmspec/plan/names.hpp"
#include "vmspec/profile/key_values.hpp"
#include "vmspec/profile/rules.hpp"
#include "vmspec/profile/toml_text.hpp"
#include "vmspec/profile/units.hpp"

namespace agentvm::vmspec {

namespace {

constexpr std::uint64_t MiB = std::uint64_t{1} << 20;
constexpr std::uint64_t TiB = std::uint64_t{1} << 40;
constexpr std::int64_t thirty_days_ms = std::int64_t{30} * 24 * 3600 * 1000;
constexpr std::string_view server_prefix = "mcp.*.";

template <typename E>
std::string show_choice(E value) {
  return toml_string(name_of(value));
}

/// "`auto`, `nix`, `host`"
template <typename E>
std::string words_of() {
  std::string out;
  for (const auto& [word, value] : Names<E>::all) out += fmt::format("{}`{}`", out.empty() ? "" : ", ", word);
  return out;
}

std::string show_bool(bool value) {
  return value ? "true" : "false";
}

constexpr Trust anyone = Trust::any();
constexpr Trust trusted = Trust::trusted_only();

/// A file that a guest can write may only RULE: `value` and `below` are the member as that file leaves and finds it.
#define AGENTVM_NARROW(rule, member, expression)                                            \
  Trust::narrow_only(rule, [](const KeySubject& subject_below, const KeySubject& subject) { \
    [[maybe_unused]] const auto& below = subject_below.profile.member;                      \
    const auto& value = subject.profile.member;                                             \
    return expression;                                                                      \
  })
#define AGENTVM_NARROW_SERVER(rule, expression)                                                              \
  Trust::narrow_only(rule, []([[maybe_unused]] const KeySubject& subject_below, const KeySubject& subject) { \
    [[maybe_unused]] const McpServer& below = *subject_below.server;                                         \
    const McpServer& value = *subject.server;                                                                \
    return expression;                                                                                       \
  })

/// A key whose value is one member: how it is read and how it is shown.
#define AGENTVM_KEY(name, type, trust, takes, meaning, member, read_expression, show_expression) \
  KeyRule {                                                                                      \
    name, ValueType::type, trust, {takes, meaning},                                              \
        [](LayerReader& reader, const Setting& setting, const KeyTarget& target) {               \
          auto& value = target.profile.member;                                                   \
          read_expression;                                                                       \
        },                                                                                       \
        [](const KeySubject& subject) -> std::string {                                           \
          const auto& value = subject.profile.member;                                            \
          return show_expression;                                                                \
        }                                                                                        \
  }
#define AGENTVM_CHOICE(name, member, trust, meaning)                                       \
  AGENTVM_KEY(name, string, trust, words_of<decltype(Profile::member)>(), meaning, member, \
              reader.choice(setting, value), show_choice(value))
#define AGENTVM_TEXT(name, member, rule, trust, takes, meaning) \
  AGENTVM_KEY(name, string, trust, takes, meaning, member, reader.text(setting, value, rules::rule), toml_string(value))
#define AGENTVM_LIST(name, member, rule, trust, takes, meaning) \
  AGENTVM_KEY(name, list, trust, takes, meaning, member, reader.list(setting, value, rules::rule), toml_array(value))
#define AGENTVM_FLAG(name, member, trust, meaning) \
  AGENTVM_KEY(name, boolean, trust, "", meaning, member, reader.flag(setting, value), show_bool(value))

std::vector<KeyRule> make_rules() {
  return {
      AGENTVM_TEXT("description", description, any_line, anyone, "one line", "shown by `agentvm profile list`"),
      KeyRule{"extends",
              ValueType::string,
              AGENTVM_NARROW("name a built-in profile", name, below == value),
              {"a name or a path", "the profile that this one builds on"},
              read_extends,
              [](const KeySubject&) { return std::string(); }},
      KeyRule{"profile",
              ValueType::string,
              AGENTVM_NARROW("name a built-in profile", name, below == value),
              {"a name", "likewise, in a workspace's `agentvm.toml`"},
              read_base_name,
              [](const KeySubject&) { return std::string(); }},

      AGENTVM_TEXT("pool", pool, pool_name, trusted, "a name, or `\"\"`",
                   "a pool to take a VM from that is booted already, where it has one; else one is booted"),

      AGENTVM_KEY("machine.vcpus", integer, AGENTVM_NARROW("lower it", machine.vcpus, value <= below), "1 to 256",
                  "CPUs; clamped to the host's, and said", machine.vcpus, reader.number(setting, value, 1, 256),
                  std::to_string(value)),
      AGENTVM_KEY("machine.memory", string, AGENTVM_NARROW("lower it", machine.memory_bytes, value <= below),
                  "a size: K, M, G, T with or without iB", "at least 256MiB, at most what the host has",
                  machine.memory_bytes, reader.size(setting, value, 256 * MiB, 16 * TiB),
                  toml_string(format_size(value))),
      AGENTVM_KEY("machine.disk", string, AGENTVM_NARROW("lower it", machine.disk_bytes, value <= below), "a size",
                  "host guest: limit of the root, which is in memory and thrown away; a nix guest's is 8GiB",
                  machine.disk_bytes, reader.size(setting, value, 64 * MiB, 16 * TiB), toml_string(format_size(value))),
      AGENTVM_CHOICE("machine.hypervisor", machine.hypervisor, trusted,
                     "`auto` is cloud-hypervisor where it is found and KVM works, else QEMU"),
      AGENTVM_TEXT("machine.connect", machine.connect, connect, trusted, "`embed`, `session`, `system` or a URI",
                   "libvirt: `embed` is in the supervisor; all others mean QEMU"),

      AGENTVM_CHOICE("guest.source", guest.source, anyone, "what the VM boots: NixOS, or the host's own /usr"),
      AGENTVM_LIST("guest.packages", guest.packages, package, anyone, "nixpkgs attribute paths",
                   "nix guest: its packages, as `python3Packages.numpy`"),
      AGENTVM_KEY("guest.modules", list,
                  AGENTVM_NARROW("remove items", guest.modules, narrowing::is_subset(value, below)), "paths",
                  "nix guest: NixOS modules, each one file, relative to the file that names it; copied into the "
                  "definition",
                  guest.modules, read_modules(reader, setting, value), toml_array(value)),
      AGENTVM_TEXT("guest.nixpkgs", guest.nixpkgs, flake, trusted, "a flake reference",
                   "nix guest: where packages come from"),
      AGENTVM_TEXT(
          "guest.image", guest.image, image, trusted, "an absolute path, or `\"\"`",
          "nix guest: one that Nix has built already, as `lib.mkGuest` of the flake does; it is booted as it is, "
          "whatever the keys beside it say"),
      AGENTVM_FLAG("guest.devshell", guest.devshell, AGENTVM_NARROW("switch it off", guest.devshell, !value),
                   "the agent works in the devShell of the workspace's flake.nix, built on the host before the boot: "
                   "see below"),
      AGENTVM_LIST("guest.tools", guest.tools, tool, anyone, "names of commands",
                   "host guest: commands that must be found where the guest looks"),
      AGENTVM_KEY("guest.expose", list,
                  AGENTVM_NARROW("remove items", guest.expose, narrowing::is_subset(value, below)),
                  "paths, absolute or `~/`",
                  "host guest: read-only directories beside /usr; `~/x` appears in the agent's home; secret places are "
                  "refused",
                  guest.expose, read_paths(reader, setting, value), toml_array(value)),
      AGENTVM_TEXT("guest.user", guest.user, user, anyone, "a user's name",
                   "the agent's account in the guest (uid 1000); sudo asks for no password"),

      AGENTVM_CHOICE(
          "store.share", store.share,
          AGENTVM_NARROW("make it \"closure\"", store.share, value == StoreShare::closure || below == value),
          "nix guest: all of /nix/store, read-only; or only what the machine needs, as a disk. `auto`: the disk "
          "where the machine is emulated, which boots faster from it, and not with guest.devshell"),
      AGENTVM_FLAG("store.writable", store.writable, anyone,
                   "nix guest: an overlay in memory, so that `nix build` works inside"),

      AGENTVM_CHOICE("workspace.mode", workspace.mode,
                     AGENTVM_NARROW("restrict it", workspace.mode, narrowing::writes_less(below, value)),
                     "what the agent may do to your files; `review` later"),
      KeyRule{"workspace.mount",
              ValueType::string,
              anyone,
              {"an absolute path", "where the workspace is in the guest"},
              read_mount,
              [](const KeySubject& subject) { return toml_string(subject.profile.workspace.mount); }},
      AGENTVM_LIST("workspace.hide", workspace.hide, hidden_glob,
                   AGENTVM_NARROW("add items", workspace.hide, narrowing::is_subset(below, value)), "glob patterns",
                   "review mode: files that the agent does not see; later"),

      AGENTVM_CHOICE("network.egress", network.egress,
                     AGENTVM_NARROW("restrict it", network.egress, narrowing::reaches_less(below, value)),
                     "`auto` is `nat` where agentvm-netd runs, else `none`; `proxy` later"),
      AGENTVM_LIST(
          "network.allow", network.allow, domain,
          AGENTVM_NARROW("remove items, but not the last one", network.allow, narrowing::allows_less(below, value)),
          "domains, `*.` for all below one", "proxy: what may be reached; later"),
      AGENTVM_KEY("network.publish", list,
                  AGENTVM_NARROW("remove items", network.publish, narrowing::is_subset(value, below)),
                  "ADDRESS:PORT:GUEST_PORT", "address and port of the host that lead to a port of the guest's loopback",
                  network.publish, reader.list(setting, value, rules::publish, rules::publish_hint), toml_array(value)),

      AGENTVM_CHOICE("agent.kind", agent.kind, anyone, "`claude`, `gemini`, `opencode` later"),
      AGENTVM_TEXT("agent.package", agent.package, agent_package, trusted,
                   "`auto`, `host`, a path, `nix:FLAKE#PACKAGE`",
                   "where the agent's program comes from; nix guest: a package of `codex-cli-nix`, `llm-agents`, "
                   "`nixpkgs` or a flake reference"),
      AGENTVM_CHOICE("agent.autonomy", agent.autonomy,
                     AGENTVM_NARROW("make it \"ask\"", agent.autonomy, value == Autonomy::ask || below == value),
                     "`full-auto`: no prompts, as the installed version spells it"),
      AGENTVM_LIST("agent.args", agent.args, argument, anyone, "", "more arguments of the agent"),
      KeyRule{"agent.env",
              ValueType::table,
              anyone,
              {"", "variables of the agent"},
              read_env,
              [](const KeySubject& subject) { return toml_inline_table(subject.profile.agent.env); }},
      AGENTVM_KEY("agent.timeout", string,
                  AGENTVM_NARROW("shorten it", agent.timeout_ms, narrowing::is_shorter(below, value)),
                  "`90s`, `30m`, `2h`; `0`: none", "ends the run with exit code 124", agent.timeout_ms,
                  reader.duration(setting, value, thirty_days_ms), toml_string(format_duration(value))),
      AGENTVM_LIST("agent.command", agent.command, argument, anyone, "", "what `agent.kind = \"command\"` runs"),

      AGENTVM_TEXT("model.name", model.name, any_line, anyone, "",
                   "the model; left out, it is the one that the agent takes by itself"),
      AGENTVM_TEXT("model.upstream", model.upstream, upstream, trusted, "an https URL, or http on loopback",
                   "the model's endpoint"),
      KeyRule{"model.key",
              ValueType::table,
              AGENTVM_NARROW("take it away", model.key, value.kind == KeySource::Kind::none || below == value),
              {"`{ env = NAME }`, `{ file = PATH }`, `{ command = [...] }`, `{}`",
               "where the host reads the model's key; it never enters the guest"},
              read_model_key,
              [](const KeySubject& subject) { return show_model_key(subject.profile.model.key); }},
      AGENTVM_CHOICE("model.wire", model.wire, trusted, "the endpoint's dialect; all but `responses` later"),

      KeyRule{"mcp.*.command",
              ValueType::list,
              AGENTVM_NARROW_SERVER("switch the server off", value.command.empty()),
              {"", "an MCP server: looked up on the host, run in a sandbox; `[]` leaves it out"},
              [](LayerReader& reader, const Setting& setting, const KeyTarget& target) {
                reader.list(setting, target.server->command, rules::argument);
              },
              [](const KeySubject& subject) { return toml_array(subject.server->command); }},
      KeyRule{"mcp.*.tools.allow",
              ValueType::list,
              AGENTVM_NARROW_SERVER(
                  "remove items", value.tools_allow && (!below.tools_allow ||
                                                        narrowing::is_subset(*value.tools_allow, *below.tools_allow))),
              {"", "the tools that the guest may call; left out: all"},
              read_tools_allow,
              [](const KeySubject& subject) {
                return subject.server->tools_allow ? toml_array(*subject.server->tools_allow) : std::string();
              }},
      KeyRule{"mcp.*.tools.deny",
              ValueType::list,
              AGENTVM_NARROW_SERVER("add items", narrowing::is_subset(below.tools_deny, value.tools_deny)),
              {"", "or those that it may not"},
              [](LayerReader& reader, const Setting& setting, const KeyTarget& target) {
                reader.list(setting, target.server->tools_deny, rules::non_empty);
              },
              [](const KeySubject& subject) { return toml_array(subject.server->tools_deny); }},
      KeyRule{
          "mcp.*.arguments.deny",
          ValueType::table,
          AGENTVM_NARROW_SERVER("add refusals", narrowing::refuses_more(below.arguments_deny, value.arguments_deny)),
          {"TOOL = { ARGUMENT = [VALUE...] }", "values of a tool's argument that are refused"},
          read_arguments_deny,
          [](const KeySubject& subject) { return show_arguments_deny(*subject.server); }},
      KeyRule{"mcp.*.env",
              ValueType::table,
              trusted,
              {"a table of strings", "variables of the server, on the host"},
              read_server_env,
              [](const KeySubject& subject) { return toml_inline_table(subject.server->env); }},
      KeyRule{"mcp.*.network",
              ValueType::list,
              AGENTVM_NARROW_SERVER("remove items", narrowing::is_subset(value.network, below.network)),
              {"`HOST`, `HOST:PORT`, `*.DOMAIN`, `*`",
               "hosts that the server may reach (443 unless a port is given); `[]`: no network"},
              [](LayerReader& reader, const Setting& setting, const KeyTarget& target) {
                reader.list(setting, target.server->network, rules::reachable);
              },
              [](const KeySubject& subject) { return toml_array(subject.server->network); }},

      AGENTVM_FLAG("agents_md.write", agents_md.write, anyone, "guidance for the agent, in its own home"),
  };
}

#undef AGENTVM_FLAG
#undef AGENTVM_LIST
#undef AGENTVM_TEXT
#undef AGENTVM_CHOICE
#undef AGENTVM_KEY
#undef AGENTVM_NARROW_SERVER
#undef AGENTVM_NARROW

}  // namespace

std::span<const KeyRule> key_rules() {
  static const auto rules_table = make_rules();
  return rules_table;
}

const KeyRule* rule_for(std::string_view pattern) {
  for (const KeyRule& rule : key_rules()) {
    if (rule.key == pattern) return &rule;
  }
  return nullptr;
}

const KeyRule* find_key(std::string_view key) {
  if (key.find('*') != std::string_view::npos) return nullptr;
  if (key.starts_with("mcp.")) {
    const std::size_t dot = key.find('.', 4);
    if (dot == std::string_view::npos) return nullptr;
    return rule_for("mcp.*" + std::string(key.substr(dot)));
  }
  return rule_for(key);
}

bool is_server_key(const KeyRule& rule) {
  return rule.key.starts_with(server_prefix);
}

std::string key_of_server(const KeyRule& rule, std::string_view server) {
  return fmt::format("mcp.{}.{}", server, rule.key.substr(server_prefix.size()));
}

}  // namespace agentvm::vmspec
