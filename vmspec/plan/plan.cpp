// plan.cpp - from what is wanted and what is there to what will be done.
#include "vmspec/plan/plan.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "base/utf8.hpp"
#include "base/wire/guest.hpp"
#include "vmspec/agents/agent_package.hpp"
#include "vmspec/plan/guest_files.hpp"
#include "vmspec/plan/names.hpp"
#include "vmspec/plan/paths.hpp"
#include "vmspec/plan/planner.hpp"
#include "vmspec/profile/rules.hpp"
#include "vmspec/profile/units.hpp"

namespace agentvm::vmspec {

namespace {

constexpr std::size_t max_name = 41;
/// Of user.name and user.email: a mail address has at most 254 bytes (RFC 5321).
constexpr std::size_t max_git_value = 256;
constexpr std::uint64_t least_memory = std::uint64_t{256} << 20;

/// How long a booting guest may say nothing new before it is taken for dead. A host guest says nothing at all: emulated
/// on a busy machine with two CPUs it took up to 20 s. NixOS is silent for a minute in one unit there, and took up to
/// 218 s in all; KVM is an order of magnitude faster.
std::int64_t boot_timeout_ms(GuestKind guest, Accelerator accelerator) {
  constexpr std::int64_t second = 1000;
  const bool emulated = accelerator == Accelerator::tcg;
  if (guest == GuestKind::nix) return (emulated ? 300 : 120) * second;
  return (emulated ? 90 : 60) * second;
}

bool is_name(std::string_view name) {
  const auto allowed = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; };
  return !name.empty() && name.size() <= max_name && name.front() != '-' &&
         std::all_of(name.begin(), name.end(), allowed);
}

}  // namespace

NeededFacts needed_facts(const Profile& profile, const RunRequest& request, GuestKind guest) {
  NeededFacts needed;
  const AgentKind kind = Planner::kind_of(profile, request);
  const bool host = guest == GuestKind::host;
  if (host) needed.programs = profile.guest.tools;
  for (const auto& [name, server] : profile.mcp) {
    if (!server.command.empty()) needed.programs.push_back(server.command.front());
  }
  if (!profile.model.key.command.empty()) needed.programs.push_back(profile.model.key.command.front());
  std::sort(needed.programs.begin(), needed.programs.end());
  needed.programs.erase(std::unique(needed.programs.begin(), needed.programs.end()), needed.programs.end());
  if (host) needed.paths = profile.guest.expose;
  needed.environment = {"COLORTERM", "LANG", "NO_COLOR", "TERM"};
  if (profile.model.key.kind == KeySource::Kind::env) needed.environment.push_back(profile.model.key.name);
  const bool brings_agent = !host && nix_agent_package(profile.agent.kind, profile.agent.package);
  if (kind == AgentKind::codex && !brings_agent) needed.agent_package = profile.agent.package;
  needed.devshell = profile.guest.devshell;
  needed.network = profile.network.egress == EgressChoice::automatic || profile.network.egress == EgressChoice::nat;
  return needed;
}

VmSpec make_vm_spec(const Profile& profile, const HostFacts& facts, const RunRequest& request,
                    std::vector<Problem>& problems) {
  return Planner(profile, facts, request, problems).run();
}

AgentKind Planner::kind_of(const Profile& profile, const RunRequest& request) {
  return request.command ? AgentKind::command : profile.agent.kind;
}

VmSpec Planner::run() {
  refuse_missing_engines();
  identity();
  hypervisor();
  machine();
  programs();
  kernel();
  ownership();
  system_share();
  workspace();
  exposed_shares();
  devshell();
  agent_share();
  guest_path();
  tools();
  network();
  model();
  mcp_servers();
  agent();
  git_identity();
  files();
  return std::move(spec_);
}

void Planner::refuse(const std::string& key, std::string message, std::string hint, ExitCode code) {
  problems_.push_back(problem_at(profile_.origin(key), key, std::move(message), std::move(hint), code));
}

void Planner::refuse_run(std::string message, std::string hint, ExitCode code) {
  problems_.push_back({.message = std::move(message), .hint = std::move(hint), .code = code});
}

void Planner::identity() {
  if (!is_name(request_.name)) {
    refuse_run(
        fmt::format("{} cannot name a VM: a name has lower-case letters, digits and '-', begins with a letter or "
                    "digit, and has at most {} characters",
                    quote_value(request_.name), max_name),
        "give another one with --name");
  }
  spec_.name = request_.name;
  spec_.uuid = request_.uuid;
  spec_.hostname = request_.name;
  spec_.machine_id = request_.machine_id;
  spec_.profile = profile_.name;
  spec_.keep = request_.keep;
  spec_.detached = request_.detached;
  spec_.connect = profile_.machine.connect;
}

void Planner::machine() {
  spec_.boot_timeout_ms = request_.boot_timeout_ms > 0
                              ? request_.boot_timeout_ms
                              : boot_timeout_ms(nix() != nullptr ? GuestKind::nix : GuestKind::host, spec_.accelerator);
  const unsigned cpus = std::max(1U, facts_.cpus);
  spec_.vcpus = std::min(profile_.machine.vcpus, cpus);
  spec_.memory_bytes = profile_.machine.memory_bytes;
  spec_.disk_bytes = profile_.machine.disk_bytes;
  if (spec_.vcpus < profile_.machine.vcpus) {
    note(fmt::format("machine.vcpus is {} instead of {}: the host has no more CPUs.", spec_.vcpus,
                     profile_.machine.vcpus));
  }
  memory();
}

void Planner::memory() {
  if (facts_.memory_bytes == 0 || spec_.memory_bytes <= facts_.memory_bytes) return;
  const std::string host = format_size(facts_.memory_bytes >> 20 << 20);
  const std::uint64_t fitting = std::max(least_memory, facts_.memory_bytes / 4 * 3 >> 20 << 20);
  const std::string file = profile_.origin("machine.memory").file;
  if (file.empty() || file.starts_with("built-in ")) {
    // Nobody asked for so much.
    note(fmt::format("machine.memory is {} instead of {}: the host has {}.", format_size(fitting),
                     format_size(spec_.memory_bytes), host));
    spec_.memory_bytes = fitting;
    return;
  }
  refuse("machine.memory", fmt::format("{} is more than this host has ({})", format_size(spec_.memory_bytes), host),
         fmt::format("use {} or less", format_size(fitting)), ExitCode::cannot_start);
}

void Planner::ownership() {
  const bool root = facts_.uid == 0;
  spec_.owner_uid = root ? facts_.workspace_uid : facts_.uid;
  spec_.owner_gid = root ? facts_.workspace_gid : facts_.gid;
  if (root && spec_.owner_uid != 0) {
    note(fmt::format("What the agent writes belongs to {}:{}, the owner of the workspace.", spec_.owner_uid,
                     spec_.owner_gid));
  }
}

void Planner::network() {
  for (const std::string& text : profile_.network.publish) {
    const auto published = rules::parse_publish(text);
    if (!published) continue;  // the profile's own rules have refused it
    spec_.publish.push_back({published->address, published->port, published->guest_port});
    note(fmt::format("{}:{} of this host leads to port {} of the guest.", published->address, published->port,
                     published->guest_port));
  }
  const EgressChoice wanted = profile_.network.egress;
  spec_.egress = Egress::none;
  if (wanted == EgressChoice::nat && !facts_.nat.works) {
    refuse("network.egress", facts_.nat.reason, facts_.nat.hint, ExitCode::cannot_start);
  } else if (wanted == EgressChoice::nat || (wanted == EgressChoice::automatic && facts_.nat.running)) {
    spec_.egress = Egress::nat;
  } else if (wanted == EgressChoice::automatic) {
    note("The guest has no network: it reaches the model and the MCP servers only.");
  }
}

void Planner::model() {
  const Profile::Model& model = profile_.model;
  ModelSpec spec{model.name, model.upstream, model.key};
  spec.key.name = model.key.kind == KeySource::Kind::file ? expand_home(model.key.name, facts_.home) : model.key.name;
  if (model.key.kind == KeySource::Kind::env && !facts_.environment.contains(model.key.name)) {
    const std::string missing = fmt::format("there is no key for the model: {} is not set", model.key.name);
    if (rules::is_loopback(rules::url_host(model.upstream))) {
      // A server on this machine is most often a local model or a test's, which asks for no key.
      spec.key = {};
    } else if (kind_of(profile_, request_) == AgentKind::command) {
      return;  // a command needs no model
    } else if (request_.dry_run) {
      advise("T" + missing.substr(1) + "; a run would be refused.");
    } else {
      refuse_run(
          missing,
          fmt::format("export {}=sk-..., or: --set 'model.key={{file=\"~/.config/openai-key\"}}'; a model of your "
                      "own: --upstream http://127.0.0.1:11434/v1; only a command: --command -- make test",
                      model.key.name),
          ExitCode::cannot_start);
    }
  }
  if (!model.key.command.empty()) {
    const auto forbidden = facts_.forbidden.find(model.key.command.front());
    if (forbidden != facts_.forbidden.end() && !facts_.found.contains(model.key.command.front())) {
      refuse("model.key", forbidden->second, "keep the command outside of every workspace", ExitCode::cannot_start);
    }
  }
  spec_.model = std::move(spec);
}

void Planner::git_identity() {
  for (const std::string& words : facts_.git.unread)
    note(printable(words) + ": who you are to Git is not taken from there.");
  HostFacts::GitIdentity usable = facts_.git;
  const auto check = [this](std::string& value, std::string_view key) {
    const bool text = is_utf8(value);
    if (text && value.size() <= max_git_value) return;
    note(fmt::format("{} of your Git configuration is left out: {}.", key,
                     text ? fmt::format("it is longer than {} bytes", max_git_value) : "it is not UTF-8 text"));
    value.clear();
  };
  check(usable.name, "user.name");
  check(usable.email, "user.email");
  std::string content = git_identity_config(usable.name, usable.email);
  if (!content.empty()) spec_.files.push_back({.path = std::string(git_identity_file), .content = std::move(content)});
}

void Planner::files() {
  if (nix() != nullptr) return;  // it has accounts and an /etc of its own
  GuestFilesInput input{.user = profile_.guest.user,
                        .hostname = spec_.hostname,
                        .machine_id = spec_.machine_id,
                        .path = spec_.image.path};
  for (const ShareSpec& share : spec_.shares) input.mount_points.push_back(share.mount_point);
  std::vector<GuestFile> files = guest_files(input);
  // The agent's own files come after the home they lie in.
  files.insert(files.end(), std::make_move_iterator(spec_.files.begin()), std::make_move_iterator(spec_.files.end()));
  spec_.files = std::move(files);
}

}  // namespace agentvm::vmspec
