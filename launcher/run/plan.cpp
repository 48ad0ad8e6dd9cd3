// plan.cpp - gathers what a run needs to know, and plans it.
#include "launcher/run/plan.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>

#include "base/error.hpp"
#include "base/file.hpp"
#include "launcher/host/facts.hpp"
#include "launcher/host/path_facts.hpp"
#include "launcher/host/profile_store.hpp"
#include "launcher/run/devshell.hpp"
#include "launcher/run/guest.hpp"
#include "launcher/run/workspace_check.hpp"
#include "launcher/state/identity.hpp"
#include "launcher/terminal/log.hpp"
#include "launcher/terminal/terminal.hpp"
#include "vmspec/plan/paths.hpp"

namespace agentvm::commands {

namespace {

/// More than a command line can hold is refused by the plan; this only bounds what is read.
constexpr std::size_t most_prompt_bytes = std::size_t{1} << 20;

std::int64_t now_unix_ms() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

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
    while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
    return text;
  }
  if (!options.command && !options.arguments.empty()) return joined(options.arguments);
  return std::nullopt;
}

/// Absolute, and in a directory that can be written: better said now than when the work is done.
std::string report_path(const std::string& path) {
  if (path.empty()) return {};
  const auto slash = path.rfind('/');
  const std::string directory = slash == std::string::npos ? "." : path.substr(0, std::max<std::size_t>(slash, 1));
  const std::string real = host::real_path(directory);
  if (real.empty() || access(real.c_str(), W_OK | X_OK) < 0) {
    throw Error("the report cannot be written to " + path + ": " +
                    (real.empty() ? "there is no directory " : "you cannot write to ") + directory,
                {}, ExitCode::usage);
  }
  return real + "/" + (slash == std::string::npos ? path : path.substr(slash + 1));
}

/// With flags as the topmost layer. A guest writes into the workspace, so what lies there may be the last agent's wish
/// and can only narrow, unless the caller trusts it.
vmspec::Profile resolve(const std::string& name, const std::string& workspace, const std::vector<Override>& overrides,
                        WorkspaceTrust trust) {
  const host::ProfileStore store = host::ProfileStore::of_user();
  vmspec::ProfileSources sources = store.sources();
  // `definition` and `build` may be called in the home directory, which no guest is ever given.
  const bool holds_home = vmspec::is_within(host::real_path(host::home_directory()), workspace);
  sources.is_trusted = [&](const vmspec::SourceText& source) {
    return trust == WorkspaceTrust::trusted || workspace.empty() || !host::lies_in(source, workspace) ||
           (holds_home && store.is_own(source));
  };
  std::optional<vmspec::SourceText> overlay;
  if (!workspace.empty()) overlay = host::workspace_profile(workspace);
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

vmspec::Profile load_profile(const std::string& name, const std::string& workspace,
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
  const std::string here = host::real_path(".");
  vmspec::HostFacts facts = host::gather_facts(vmspec::needed_facts(profile, request, kind), context.roots, here);
  facts.nix_guest = std::move(guest.nix);
  if (profile.guest.devshell) look_for_devshell(here, context.roots, facts);
  std::vector<vmspec::Problem> problems;
  static_cast<void>(vmspec::make_vm_spec(profile, facts, request, problems));
  return problems;
}

RunPlan::RunPlan(const RunOptions& options, const Context& context)
    : roots_(context.roots),
      workspace_(check_workspace(options.workspace, context.roots)),
      report_file_(report_path(options.report_file)),
      started_unix_ms_(now_unix_ms()) {
  request_.workspace = workspace_;
  request_.prompt = prompt_of(options);
  if (options.command) request_.command = options.arguments;
  request_.detached = options.detach;
  request_.keep = options.keep;
  // An agent with a prompt needs no screen, and a program that reads our output wants none in it.
  request_.tty = options.tty.value_or(!options.json && !request_.prompt && has_terminal());
  request_.stdin_attached = options.command && !options.detach;

  profile_ = resolve(options.profile, workspace_, options.overrides,
                     options.trust_workspace ? WorkspaceTrust::trusted : WorkspaceTrust::narrow_only);
  log_debug("the profile is read");
  GuestChoice guest = choose_guest(profile_, roots_);
  const vmspec::GuestKind kind = guest.nix ? vmspec::GuestKind::nix : vmspec::GuestKind::host;
  facts_ = host::gather_facts(vmspec::needed_facts(profile_, request_, kind), roots_, workspace_);
  facts_.nix_guest = std::move(guest.nix);
  facts_.nix_passed_over = guest.passed_over;
  if (profile_.guest.devshell) look_for_devshell(workspace_, roots_, facts_);
  log_debug("the host is looked at");
}

vmspec::VmSpec RunPlan::for_name(const std::string& name) const {
  vmspec::RunRequest request = request_;
  request.name = name;
  request.uuid = state::random_uuid();
  request.machine_id = state::random_machine_id();
  std::vector<vmspec::Problem> problems;
  vmspec::VmSpec spec = vmspec::make_vm_spec(profile_, facts_, request, problems);
  if (!problems.empty()) throw vmspec::problems_error(problems);
  spec.report_file = report_file_;
  spec.started_unix_ms = started_unix_ms_;
  return spec;
}

void RunPlan::build_missing(const std::function<void(std::string_view line)>& progress) {
  const bool guest = facts_.nix_guest && !facts_.nix_guest->built;
  const bool devshell = facts_.devshell && !facts_.devshell->built;
  if (!guest && !devshell) return;
  for_name("unnamed");
  if (guest) facts_.nix_guest = build_guest(profile_, roots_, progress);
  if (devshell) facts_.devshell = build_devshell(workspace_, facts_, roots_, progress);
  started_unix_ms_ = now_unix_ms();
  log_debug("what was missing is built");
}

}  // namespace agentvm::commands
