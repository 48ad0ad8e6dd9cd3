// profile.hpp - what a profile says, as a plain value with every default filled in, and how text becomes one.
//
// Text is layered: a profile's own file over what it extends, over the built-in defaults of this struct. A layer sets
// only the keys it has. Tables merge (agent.env by variable, mcp by server, arguments.deny by tool and argument),
// arrays replace, and KEY.add = [...] appends to what the layers below have. `model.key` is replaced as a whole, so
// that { file = ... } over { env = ... } is one source and not two.
//
// Each layer is checked by itself (syntax, unknown keys, types, ranges); rules over several keys are checked once, on
// the result. All of it is pure: texts come in, files are looked up by the caller's function.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "vmspec/plan/vm_spec.hpp"
#include "vmspec/profile/problem.hpp"

namespace agentvm::vmspec {

enum class HypervisorChoice { automatic, cloud_hypervisor, qemu };
enum class GuestSource { automatic, nix, host };
enum class StoreShare { automatic, host, closure };
enum class EgressChoice { automatic, nat, proxy, none };
enum class AgentKind { codex, claude, gemini, opencode, command };
enum class Autonomy { full_auto, ask };
enum class ModelWire { responses, chat, messages, generate_content };

/// [mcp.NAME]
struct McpServer {
  std::vector<std::string> command;  ///< command[0] is looked up on the host; empty: this server is switched off
  std::optional<std::vector<std::string>> tools_allow;  ///< nullopt: all but tools_deny
  std::vector<std::string> tools_deny;
  std::map<std::string, std::map<std::string, std::vector<std::string>>> arguments_deny;
  std::map<std::string, std::string> env;  ///< of the server, on the host
  std::vector<std::string> network;        ///< HOST[:PORT], "*.DOMAIN[:PORT]" or "*"; empty: no network
  bool operator==(const McpServer&) const = default;
};

/// Every key of a profile. The defaults here are those of an empty profile.
struct Profile {
  std::string name;         ///< as it was asked for; not a key
  std::string description;  ///< one line
  std::string pool;         ///< a pool to take a booted VM from; "": none

  struct Machine {
    unsigned vcpus = 8;                                   ///< 1..256; clamped to the host's when planned
    std::uint64_t memory_bytes = std::uint64_t{4} << 30;  ///< 256 MiB .. 16 TiB
    std::uint64_t disk_bytes = std::uint64_t{8} << 30;    ///< 64 MiB .. 16 TiB, of the guest's writable root
    HypervisorChoice hypervisor = HypervisorChoice::automatic;
    std::string connect = "embed";  ///< embed | session | system | a qemu URI
    bool operator==(const Machine&) const = default;
  } machine;

  struct Guest {
    GuestSource source = GuestSource::automatic;
    std::vector<std::string> packages;  ///< nixpkgs attribute paths; nix guest
    std::vector<std::string> modules;   ///< NixOS modules, relative to the file that names them; nix guest
    std::string nixpkgs = "github:NixOS/nixpkgs/nixos-unstable";
    std::string image;  ///< directory with manifest.json of a guest that is built already; "": what the rest says
    bool devshell = false;
    std::vector<std::string> tools;   ///< commands that must exist on the host; host guest
    std::vector<std::string> expose;  ///< absolute or ~/; host guest
    std::string user = "agent";
    bool operator==(const Guest&) const = default;
  } guest;

  struct Store {
    StoreShare share = StoreShare::automatic;
    bool writable = true;
    bool operator==(const Store&) const = default;
  } store;

  struct Workspace {
    WorkspaceMode mode = WorkspaceMode::shared;
    std::string mount = "/workspace";
    std::vector<std::string> hide;  ///< glob patterns relative to the workspace
    bool operator==(const Workspace&) const = default;
  } workspace;

  struct Network {
    EgressChoice egress = EgressChoice::automatic;
    std::vector<std::string> allow;    ///< domains, "*." for all below one
    std::vector<std::string> publish;  ///< ADDRESS:PORT:GUEST_PORT
    bool operator==(const Network&) const = default;
  } network;

  struct Agent {
    AgentKind kind = AgentKind::codex;
    std::string package = "auto";  ///< auto | host | nix:... | a path (absolute, ~/ or ./)
    Autonomy autonomy = Autonomy::full_auto;
    std::vector<std::string> args;
    std::map<std::string, std::string> env;
    std::int64_t timeout_ms = 0;  ///< 0: none; at most 30 days
    std::vector<std::string> command;
    bool operator==(const Agent&) const = default;
  } agent;

  struct Model {
    std::string name;  ///< "": the agent's own default
    std::string upstream = "https://api.openai.com/v1";
    KeySource key;
    ModelWire wire = ModelWire::responses;
    bool operator==(const Model&) const = default;
  } model;

  std::map<std::string, McpServer> mcp;  ///< by name, [a-z0-9-]

  struct AgentsMd {
    bool write = true;
    bool operator==(const AgentsMd&) const = default;
  } agents_md;

  /// Where each key that is set was written, by dotted key; a key with KEY.add has the place of its latest part.
  std::map<std::string, Origin> origins;

  /// The place of a key, or an empty Origin for a default.
  Origin origin(std::string_view key) const;

  /// Equal in every key; names and origins do not count.
  bool operator==(const Profile& other) const;
};

/// A profile's text and the name of the file that messages show.
struct SourceText {
  std::string file;
  std::string text;
  std::string place = {};  ///< where the file that was read lies, links resolved; "" when it is none or not known
};

/// Largest text of one profile, bytes.
inline constexpr std::size_t max_profile_text = std::size_t{1} << 20;
/// Longest chain of `extends`.
inline constexpr unsigned max_extends = 16;

/// Finds profiles by name; whoever implements it decides about directories and built-in ones.
struct ProfileSources {
  /// nullopt: there is none of that name. A name with a slash is a file.
  std::function<std::optional<SourceText>(std::string_view name)> lookup;
  std::vector<std::string> known;  ///< for "did you mean"
  /// Whether no guest can have written it, or the caller trusts it all the same. Asked for every text but built-in
  /// ones; what is not trusted can only narrow (trust.hpp). Empty: nothing is trusted.
  std::function<bool(const SourceText& source)> is_trusted;
};

/// One layer over `profile`: everything the text sets, with all its mistakes added to `problems`. `extends` and
/// `profile` are checked but not followed.
void apply_profile(Profile& profile, const SourceText& source, std::vector<Problem>& problems);

/// The profile called `name` with all it extends, under the tables of the workspace's agentvm.toml when there is one.
/// An empty name is what that file names (a name, never a path: another file of the workspace would be taken for the
/// caller's own), else "default". An untrusted text stands on a built-in profile, on "default", or on another untrusted
/// one, and each key that it widens is a problem. The result is checked (check_profile).
Profile resolve_profile(std::string_view name, const std::optional<SourceText>& workspace_file,
                        const ProfileSources& sources, std::vector<Problem>& problems);

/// The rules over several keys.
void check_profile(const Profile& profile, std::vector<Problem>& problems);

/// Sets one key from a string, as a flag does: `key` is dotted ("machine.memory", "agent.env.TERM", "guest.tools.add"),
/// `value` is taken by the key's type (a list is a TOML array, or one element). Problems show `flag` as the file.
void apply_override(Profile& profile, std::string_view key, std::string_view value, std::string_view flag,
                    std::vector<Problem>& problems);
/// Likewise for a list given as repeated flags.
void apply_override(Profile& profile, std::string_view key, const std::vector<std::string>& values,
                    std::string_view flag, std::vector<Problem>& problems);

/// Canonical TOML that parses back to an equal Profile; with `origins` each set value carries "# file:line".
std::string render_profile(const Profile& profile, bool origins = false);

/// The profiles compiled in, by name: templates/profiles/NAME.toml. Their file is "built-in NAME.toml".
const std::map<std::string, SourceText, std::less<>>& builtin_profiles();

}  // namespace agentvm::vmspec
