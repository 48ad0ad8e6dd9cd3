// vm_lookup.cpp - finds VMs.
#include "launcher/client/vm_lookup.hpp"

#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/process.hpp"
#include "launcher/host/path_facts.hpp"
#include "vmspec/profile/problem.hpp"

namespace agentvm::commands {

state::VmPaths require_vm(const state::Roots& roots, const std::string& name) {
  const std::vector<std::string> names = state::list_vms(roots);
  if (std::find(names.begin(), names.end(), name) != names.end()) return state::vm_paths(roots, name);
  const std::vector<std::string_view> views(names.begin(), names.end());
  const auto near = vmspec::nearest(name, views);
  throw Error("there is no VM named " + vmspec::quote_value(name),
              near ? "Did you mean '" + *near + "'?" : "agentvm ls lists the VMs there are.");
}

state::VmPaths implied_vm(const state::Roots& roots) {
  const std::vector<std::string> names = state::list_vms(roots);
  const std::string here = host::real_path(".");
  std::vector<std::string> on_this_directory;
  for (const std::string& name : names) {
    const auto spec = read_spec(state::vm_paths(roots, name));
    if (spec && spec->workspace == here) on_this_directory.push_back(name);
  }
  if (on_this_directory.size() == 1) return state::vm_paths(roots, on_this_directory.front());
  if (on_this_directory.empty() && names.size() == 1) return state::vm_paths(roots, names.front());
  if (names.empty()) throw Error("there are no VMs", "agentvm run starts one.", ExitCode::usage);
  const bool here_several = !on_this_directory.empty();
  std::string listed;
  for (const std::string& name : here_several ? on_this_directory : names)
    listed += (listed.empty() ? "" : ", ") + name;
  throw Error(here_several ? "several VMs work on this directory: " + listed
                           : "no VM works on this directory; the VMs are: " + listed,
              "Say which one: add its name.", ExitCode::usage);
}

state::VmPaths named_or_implied_vm(const state::Roots& roots, const std::string& name) {
  return name.empty() ? implied_vm(roots) : require_vm(roots, name);
}

std::optional<vmspec::VmSpec> read_spec(const state::VmPaths& paths) {
  try {
    const auto text = read_file_if_exists(paths.spec(), vmspec::max_spec_text);
    if (!text) return std::nullopt;
    return vmspec::parse_vm_spec(*text);
  } catch (const std::exception&) {
    return std::nullopt;
  }
}

std::string vm_condition(const state::VmPaths& paths, const std::optional<state::VmState>& state) {
  if (state::is_alive(paths)) return state ? state->phase : "starting";
  return state && state->phase == "stopped" ? "stopped" : "dead";
}

UniqueFd supervisor_pidfd(const state::VmPaths& paths) {
  if (const auto state = state::read_state(paths)) {
    for (const state::ProcessRecord& record : state->processes) {
      if (record.role != "supervisor") continue;
      UniqueFd pidfd = open_pidfd(record.pid);
      if (pidfd && state::process_start_time(record.pid) == record.start_time) return pidfd;
    }
  }
  return UniqueFd();
}

bool wait_for_exit(const UniqueFd& pidfd, std::chrono::milliseconds limit) noexcept {
  if (!pidfd) return true;
  const auto deadline = std::chrono::steady_clock::now() + limit;
  for (;;) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    pollfd item{pidfd.get(), POLLIN, 0};
    const int ready = poll(&item, 1, static_cast<int>(std::max<std::int64_t>(0, left.count())));
    if (ready >= 0 || errno != EINTR) return ready > 0;
  }
}

bool is_kept(const state::VmPaths& paths) {
  const auto state = state::read_state(paths);
  return state && state->phase == "stopped" && !state::is_alive(paths);
}

}  // namespace agentvm::commands
