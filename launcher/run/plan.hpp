// plan.hpp - from `agentvm run`'s options to the plan of a run.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/held_directory.hpp"
#include "launcher/cli/context.hpp"
#include "launcher/cli/options.hpp"
#include "launcher/host/facts.hpp"
#include "vmspec/plan/plan.hpp"
#include "vmspec/profile/profile.hpp"

namespace agentvm::commands {

/// The directories of a plan, as the supervisor gets them (base/wire/supervisor.hpp).
struct RunDirectories {
  std::vector<HeldDirectory> shares;  ///< of VmSpec::shares, in its order
  HeldDirectory report;               ///< of VmSpec::report_file; none without one
};

/// Looks at everything once; then plans for any name, as often as a name turns out to be taken.
class RunPlan {
 public:
  /// Throws Error: about the workspace, the prompt, or all mistakes of the profile at once.
  RunPlan(const RunOptions& options, const Context& context);

  /// Throws an Error with all that stands against the run.
  vmspec::VmSpec for_name(const std::string& name) const;
  /// Has Nix build the guest and the devShell where that is still to be done, after all else was checked: the report's
  /// times count from its end. Throws an Error with all that stands against the run, or that says why something could
  /// not be built.
  void build_missing(const std::function<void(std::string_view line)>& progress);
  const std::string& workspace() const noexcept { return workspace_.path(); }
  /// The pool that a VM is to be taken from; "": none.
  const std::string& pool() const noexcept { return profile_.pool; }
  /// What a plan's paths mean: held since they were checked. Throws Error when one of the plan is not what it was.
  RunDirectories directories(const vmspec::VmSpec& spec) const;

 private:
  state::Roots roots_;
  vmspec::RunRequest request_;
  HeldDirectory workspace_;
  std::string workspace_as_given_;
  HeldDirectory report_directory_;  ///< none without a report
  std::string report_file_;
  host::HeldDirectories exposed_;
  std::int64_t started_unix_ms_;
  vmspec::Profile profile_;
  vmspec::HostFacts facts_;
};

/// Whether files of the workspace may say anything (--trust-workspace), or only narrow what is below them.
enum class WorkspaceTrust { narrow_only, trusted };

/// The profile for a workspace (none: none) with the overrides of the command line. Throws all its mistakes at once.
vmspec::Profile load_profile(const std::string& name, const HeldDirectory& workspace,
                             const std::vector<Override>& overrides, WorkspaceTrust trust);

/// All that `agentvm run` would say against a run with this profile on this machine, with the current directory's
/// devShell if it wants one. Starts and builds nothing. Throws Error when a file that the profile names cannot be read.
std::vector<vmspec::Problem> refusals_here(const vmspec::Profile& profile, const Context& context);

}  // namespace agentvm::commands
