// destroy.cpp - agentvm destroy: the end of VMs at any moment, whatever state they are in.
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <set>

#include "base/error.hpp"
#include "base/process.hpp"
#include "launcher/client/client.hpp"
#include "launcher/client/vm_lookup.hpp"
#include "launcher/terminal/log.hpp"
#include "launcher/terminal/output.hpp"
#include "launcher/verbs/verbs.hpp"
#include "vmspec/profile/problem.hpp"

namespace agentvm::commands {

namespace {

/// A supervisor that has not taken its VM down by then is killed: everything must be gone within moments.
constexpr std::chrono::milliseconds polite_limit{2500};
constexpr std::chrono::milliseconds kill_limit{1000};

/// Asks the supervisor to take everything down at once; when it does not, it is killed. Both leave nothing or leave
/// what a sweep finds.
void end_supervisor(const state::VmPaths& paths) {
  const UniqueFd supervisor = supervisor_pidfd(paths);
  try {
    ask_supervisor(paths, "POST", "/stop", R"({"force":true,"deadline_ms":0})", polite_limit);
    if (wait_for_exit(supervisor, kill_limit)) return;
  } catch (const Error& error) {
    if (!state::is_alive(paths)) return;
    log_info(error.what());
  }
  if (!supervisor)
    throw Error("could not find the supervisor of '" + paths.name + "'",
                "agentvm gc removes what it left, once it is gone.");
  log_info("killing the supervisor of '" + paths.name + "'");
  signal_pidfd(supervisor.get(), SIGKILL);
  wait_for_exit(supervisor, kill_limit);
}

/// Returns whether all of it is gone.
bool destroy_one(const state::VmPaths& paths) {
  if (state::is_alive(paths)) end_supervisor(paths);
  const state::SweepResult result = state::sweep(paths, false);
  for (const std::string& removed : result.removed) log_info("removed " + removed);
  for (const std::string& failure : result.failed) log_error("'" + paths.name + "': " + failure, {});
  if (!result.failed.empty()) return false;
  print_error("agentvm: '" + paths.name + "' is destroyed\n");
  return true;
}

void say_unknown(const state::Roots& roots, const std::string& name) {
  const std::vector<std::string> names = state::list_vms(roots);
  const std::vector<std::string_view> views(names.begin(), names.end());
  const auto near = vmspec::nearest(name, views);
  print_error("agentvm: there is no VM named " + vmspec::quote_value(name) + ", so there is nothing to destroy" +
              (near ? "; did you mean '" + *near + "'?" : "") + "\n");
}

}  // namespace

int destroy(const DestroyOptions& options, const Context& context) {
  const std::vector<std::string> there = state::list_vms(context.roots);
  std::vector<std::string> names = options.all ? there : options.names;
  if (options.all && names.empty()) {
    print_error("agentvm: there are no VMs\n");
    return 0;
  }
  if (names.empty()) names.push_back(implied_vm(context.roots).name);
  bool all_gone = true;
  for (const std::string& name : std::set<std::string>(names.begin(), names.end())) {
    if (std::find(there.begin(), there.end(), name) == there.end()) {
      say_unknown(context.roots, name);
      continue;
    }
    try {
      all_gone = destroy_one(state::vm_paths(context.roots, name)) && all_gone;
    } catch (const Error& error) {
      // One that cannot be destroyed must not keep the others.
      log_error(error.what(), error.hint());
      all_gone = false;
    }
  }
  return all_gone ? 0 : static_cast<int>(ExitCode::agentvm_failed);
}

}  // namespace agentvm::commands
