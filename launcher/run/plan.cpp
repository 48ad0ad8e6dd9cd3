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
#include "launcher/sandbox/mcp_install.hpp"
#include "launcher/state/identity.hpp"
#include "launcher/terminal/log.hpp"
#include "launcher/terminal/terminal.hpp"

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

vmspec::Profile resolve(const std::string& name, const std::string& workspace, const std::vector<Override>& overrides,
                        std::string& workspace_file, std::vector<vmspec::Problem>& problems) {
  const host::ProfileStore store = host::ProfileStore::of_user();
  std::optional<vmspec::SourceText> overlay;
  if (!workspace.empty()) overlay = host::workspace_profile(workspace);
  if (overlay) workspace_file = overlay->file;
  vmspec::Profile profile = vmspec::resolve_profile(name, overlay, store.sources(), problems);
  for (const Override& entry : overrides) {
    if (entry.values.size() == 1) {
      vmspec::apply_override(profile, entry.key, entry.values.front(), entry.flag, problems);
    } else {
      vmspec::apply_override(profile, entry.key, entry.values, entry.flag, problems);
    }
  }
  if (!overrides.empty() && problems.empty()) vmspec::check_profile(profile, problems);
  return profile;
}

/// The guest writes into the workspace, so what an agentvm.toml there says about the host may be the last agent's wish.
void check_trust(const vmspec::Profile& profile, const std::string& file, bool trusted) {
  if (file.empty() || trusted) return;
  const std::vector<std::string> keys = vmspec::outward_keys(profile, file);
  if (keys.empty()) return;
  std::string listed;
  for (const std::string& key : keys) listed += (listed.empty() ? "" : ", ") + key;
  throw Error(file + " sets what reaches outside the VM: " + listed,
              "An agent may have written it. Read it, then run again with --trust-workspace.", ExitCode::usage);
}

}  // namespace

vmspec::Profile load_profile(const std::string& name, const std::string& workspace,
                             const std::vector<Override>& overrides) {
  std::vector<vmspec::Problem> problems;
  std::string ignored;
  vmspec::Profile profile = resolve(name, workspace, overrides, ignored, problems);
  if (!problems.empty()) throw vmspec::problems_error(problems);
  return profile;
}

vmspec::Profile load_checked_profile(const std::string& name, const std::string& workspace,
                                     const std::vector<Override>& overrides, bool trust_workspace) {
  std::vector<vmspec::Problem> problems;
  std::string workspace_file;
  vmspec::Profile profile = resolve(name, workspace, overrides, workspace_file, problems);
  if (!problems.empty()) throw vmspec::problems_error(problems);
  check_trust(profile, workspace_file, trust_workspace);
  return profile;
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

  std::vector<vmspec::Problem> problems;
  std::string workspace_file;
  profile_ = resolve(options.profile, workspace_, options.overrides, workspace_file, problems);
  if (!problems.empty()) throw vmspec::problems_error(problems);
  check_trust(profile_, workspace_file, options.trust_workspace);
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
  gateway::check_mcp_servers(spec);
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
