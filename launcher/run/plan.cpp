// plan.cpp - gathers what a run needs to know, and plans it.
#include "launcher/run/plan.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/startable.hpp"
#include "base/unix_time.hpp"
#include "base/utf8.hpp"
#include "launcher/host/facts.hpp"
#include "launcher/host/path_facts.hpp"
#include "launcher/host/profile_store.hpp"
#include "launcher/host/programs.hpp"
#include "launcher/run/devshell.hpp"
#include "launcher/run/guest.hpp"
#include "launcher/run/neighbours.hpp"
#include "launcher/run/workspace_check.hpp"
#include "launcher/sandbox/mcp_install.hpp"
#include "launcher/state/identity.hpp"
#include "launcher/terminal/log.hpp"
#include "launcher/terminal/terminal.hpp"
#include "vmspec/plan/paths.hpp"

namespace agentvm::commands {

namespace {

/// More than a command line can hold is refused by the plan; this only bounds what is read.
constexpr std::size_t most_prompt_bytes = std::size_t{1} << 20;

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
  return text;
}

std::optional<std::string> prompt_of(const RunOptions& options) {
  if (options.prompt) return options.prompt;
  if (!options.prompt_file.empty()) {
    std::string text;
    try {
      text = read_file(options.prompt_file == "-" ? "/dev/stdin" : options.prompt_file, most_prompt_bytes);
    } catch (const Error& error) {
      throw Error("the prompt cannot be read: " + std::string(error.what()), {}, ExitCode::usage);
    }
    if (!is_utf8(text)) throw Error("the prompt is not UTF-8 text", {}, ExitCode::usage);
    while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
    return text;
  }
  if (!options.command && !options.arguments.empty()) return joined(options.arguments);
  return std::nullopt;
}

/// In a directory that can be written: better said now than when the work is done. Returns the absolute path.
std::string report_path(const std::string& path, HeldDirectory& held) {
  if (path.empty()) return {};
  const auto slash = path.rfind('/');
  const std::string directory = slash == std::string::npos ? "." : path.substr(0, std::max<std::size_t>(slash, 1));
  const auto refused = [&](const std::string& why, const std::string& hint = {}) {
    return Error("the report cannot be written to " + path + ": " + why, hint, ExitCode::usage);
  };
  int error = 0;
  try {
    held = HeldDirectory::resolve(directory, &error);
  } catch (const Error& reason) {
    if (error == ENOENT || error == ENOTDIR) throw refused("there is no directory " + directory);
    throw refused(reason.what(), reason.hint());
  }
  if (access(held.through().c_str(), W_OK | X_OK) < 0) throw refused("you cannot write to " + directory);
  const std::string name = slash == std::string::npos ? path : path.substr(slash + 1);
  struct stat info {};
  if (name.empty() || name == "." || name == ".." ||
      (fstatat(held.fd(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(info.st_mode))) {
    throw refused("that is a directory");
  }
  return (held.path() == "/" ? "" : held.path()) + "/" + name;
}

/// With flags as the topmost layer. A guest writes into the workspace, and maybe elsewhere, so what lies there may be
/// the last agent's wish and can only narrow, unless the caller trusts it.
vmspec::Profile resolve(const std::string& name, const HeldDirectory& workspace, const std::vector<Override>& overrides,
                        WorkspaceTrust trust) {
  const host::ProfileStore store = host::ProfileStore::of_user();
  vmspec::ProfileSources sources = store.sources();
  // `definition` and `build` may be called in the home directory, which no guest is ever given.
  const std::string place = workspace.path();
  const bool holds_home = workspace && vmspec::is_within(host::real_path(host::home_directory()), place);
  sources.is_trusted = [&](const vmspec::SourceText& source) {
    if (workspace && host::lies_in(source, place)) {
      return trust == WorkspaceTrust::trusted || (holds_home && store.is_own(source));
    }
    return source.place.empty() || !place_of_others(source.place);
  };
  std::optional<vmspec::SourceText> overlay;
  if (workspace) overlay = host::workspace_profile(workspace);
  std::vector<vmspec::Problem> problems;
  vmspec::Profile profile = vmspec::resolve_profile(name, overlay, sources, problems);
  for (const Override& entry : overrides) {
    if (entry.values.size() == 1) {
      vmspec::apply_override(profile, entry.key, entry.values.front(), entry.flag, problems);
    } else {
      vmspec::apply_override(profile, entry.key, entry.values, entry.flag, problems);
    }
  }
  if (!overrides.empty() && problems.empty()) vmspec::check_profile(profile, problems);
  if (!problems.empty()) throw vmspec::problems_error(problems);
  return profile;
}

}  // namespace

vmspec::Profile load_profile(const std::string& name, const HeldDirectory& workspace,
                             const std::vector<Override>& overrides, WorkspaceTrust trust) {
  return resolve(name, workspace, overrides, trust);
}

std::vector<vmspec::Problem> refusals_here(const vmspec::Profile& profile, const Context& context) {
  vmspec::RunRequest request;
  request.name = "check";
  request.workspace = "/project";  // it is chosen for the run, and checked then
  if (profile.agent.kind != vmspec::AgentKind::command) request.prompt = "check";
  GuestChoice guest = choose_guest(profile, context.roots);
  const vmspec::GuestKind kind = guest.nix ? vmspec::GuestKind::nix : vmspec::GuestKind::host;
  const HeldDirectory here = HeldDirectory::resolve(".");
  host::HeldDirectories exposed;
  vmspec::HostFacts facts =
      host::gather_facts(vmspec::needed_facts(profile, request, kind), context.roots, here, exposed);
  facts.nix_guest = std::move(guest.nix);
  if (profile.guest.devshell) look_for_devshell(here, context.roots, facts);
  std::vector<vmspec::Problem> problems;
  static_cast<void>(vmspec::make_vm_spec(profile, facts, request, problems));
  return problems;
}

RunPlan::RunPlan(const RunOptions& options, const Context& context)
    : roots_(context.roots),
      workspace_(check_workspace(options.workspace, context.roots)),
      workspace_as_given_(options.workspace),
      report_file_(report_path(options.report_file, report_directory_)),
      started_unix_ms_(unix_ms()) {
  host::keep_to_startable(roots_, workspace_.path());
  request_.workspace = workspace_.path();
  request_.prompt = prompt_of(options);
  if (options.command) request_.command = options.arguments;
  request_.detached = options.detach;
  request_.keep = options.keep;
  request_.dry_run = options.dry_run;
  request_.boot_timeout_ms = options.boot_timeout_ms;
  // An agent with a prompt needs no screen, and a program that reads our output wants none in it. A dry run that is not
  // at a terminal shows what one there would do.
  const bool at_terminal = options.dry_run && !options.command ? true : !options.json && has_terminal();
  request_.tty = options.tty.value_or(!options.detach && !request_.prompt && at_terminal);
  if (options.tty == true && !options.dry_run && !has_terminal()) {
    throw Error("run: -t needs a terminal on stdin and stdout", "Drop -t.", ExitCode::usage);
  }
  request_.stdin_attached = options.command && !options.detach;

  profile_ = resolve(options.profile, workspace_, options.overrides,
                     options.trust_workspace ? WorkspaceTrust::trusted : WorkspaceTrust::narrow_only);
  log_debug("read the profile");
  GuestChoice guest = choose_guest(profile_, roots_);
  const vmspec::GuestKind kind = guest.nix ? vmspec::GuestKind::nix : vmspec::GuestKind::host;
  facts_ = host::gather_facts(vmspec::needed_facts(profile_, request_, kind), roots_, workspace_, exposed_);
  facts_.nix_guest = std::move(guest.nix);
  facts_.nix_passed_over = guest.passed_over;
  if (profile_.guest.devshell) look_for_devshell(workspace_, roots_, facts_);
  log_debug("looked at the host");
}

vmspec::VmSpec RunPlan::for_name(const std::string& name) const {
  vmspec::RunRequest request = request_;
  request.name = name;
  request.uuid = state::random_uuid();
  request.machine_id = state::random_machine_id();
  std::vector<vmspec::Problem> problems;
  vmspec::VmSpec spec = vmspec::make_vm_spec(profile_, facts_, request, problems);
  if (!problems.empty()) throw vmspec::problems_error(problems);
  gateway::check_mcp_servers(spec);
  spec.report_file = report_file_;
  if (workspace_.behind_link()) {
    spec.notes.push_back(
        fmt::format("{} leads through a link: the workspace is {}.", workspace_as_given_, workspace_.path()));
  }
  if (auto note = neighbours_note(roots_, workspace_)) {
    spec.advice.push_back(*note);
    spec.notes.push_back(*std::move(note));
  }
  spec.started_unix_ms = started_unix_ms_;
  return spec;
}

RunDirectories RunPlan::directories(const vmspec::VmSpec& spec) const {
  RunDirectories directories{.shares = {}, .report = report_directory_};
  for (const vmspec::ShareSpec& share : spec.shares) {
    const auto exposed = exposed_.find(share.source);
    if (share.tag == vmspec::workspace_tag) {
      directories.shares.push_back(workspace_);
    } else if (exposed != exposed_.end()) {
      directories.shares.push_back(exposed->second);
    } else {
      directories.shares.push_back(HeldDirectory::resolve(share.source));
      // The system's own trees may be links; what was judged by its path is at that path.
      const bool judged = share.tag == vmspec::agent_tag;
      if (judged && directories.shares.back().path() != share.source) {
        throw Error(share.source + " was exchanged while it was looked at: it leads to " +
                    directories.shares.back().path());
      }
    }
  }
  return directories;
}

void RunPlan::build_missing(const std::function<void(std::string_view line)>& progress) {
  const bool guest = facts_.nix_guest && !facts_.nix_guest->built;
  const bool devshell = facts_.devshell && !facts_.devshell->built;
  if (!guest && !devshell) return;
  for_name("unnamed");
  if (guest) facts_.nix_guest = build_guest(profile_, roots_, progress);
  if (devshell) facts_.devshell = build_devshell(workspace_, facts_, roots_, progress);
  started_unix_ms_ = unix_ms();
  log_debug("built what was missing");
}

}  // namespace agentvm::commands
