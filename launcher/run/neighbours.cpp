// neighbours.cpp - compares the workspaces of living VMs with one that is about to be shared.
#include "launcher/run/neighbours.hpp"

#include <fmt/format.h>

#include "base/error.hpp"
#include "launcher/client/vm_lookup.hpp"

namespace agentvm::commands {

namespace {

/// By their names, and by what they are: a second mount of a directory has another name.
bool overlap(const HeldDirectory& workspace, const std::string& other) {
  if (lies_within(workspace.path(), other) || lies_within(other, workspace.path())) return true;
  try {
    const HeldDirectory held = HeldDirectory::resolve(other);
    return workspace.lies_in(held) || held.lies_in(workspace);
  } catch (const Error&) {
    return false;  // it is gone, or has become somebody's link
  }
}

}  // namespace

std::optional<std::string> neighbours_note(const state::Roots& roots, const HeldDirectory& workspace) {
  std::string others;
  std::string last;
  std::size_t count = 0;
  for (const std::string& name : state::list_vms(roots)) {
    const state::VmPaths paths = state::vm_paths(roots, name);
    if (!state::is_alive(paths)) continue;
    const auto spec = read_spec(paths);
    if (!spec || spec->workspace.empty() || !overlap(workspace, spec->workspace)) continue;
    others += (others.empty() ? "" : ", ") + name;
    if (spec->workspace != workspace.path()) others += " on " + spec->workspace;
    last = name;
    ++count;
  }
  if (count == 0) return std::nullopt;
  return fmt::format(
      "{} on these files already ({}), and neither file locks nor news of changes (inotify) cross between VMs: work in "
      "one of them at a time, or end it with `agentvm stop {}`.",
      count == 1 ? "Another VM works" : "Other VMs work", others, last);
}

}  // namespace agentvm::commands
