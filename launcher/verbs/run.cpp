// run.cpp - agentvm run: plan, show or start, stay with it.
#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "launcher/claim/claim.hpp"
#include "launcher/run/follow.hpp"
#include "launcher/run/plan.hpp"
#include "launcher/run/progress.hpp"
#include "launcher/run/start.hpp"
#include "launcher/run/text.hpp"
#include "launcher/terminal/log.hpp"
#include "launcher/terminal/output.hpp"
#include "launcher/verbs/verbs.hpp"
#include "vmspec/plan/vm_spec.hpp"

namespace agentvm::commands {

namespace {

/// A pool that is asked for by name alone says the profile too.
RunOptions with_profile_of_pool(RunOptions options, const Context& context) {
  const auto flag = std::find_if(options.overrides.begin(), options.overrides.end(),
                                 [](const Override& entry) { return entry.flag == "--pool"; });
  if (!options.profile.empty() || flag == options.overrides.end()) return options;
  options.profile = pool::profile_of_pool(pool::pool_socket(context.roots), flag->values.front());
  return options;
}

}  // namespace

int run(const RunOptions& asked, const Context& context) {
  const RunOptions options = with_profile_of_pool(asked, context);
  RunPlan plan(options, context);
  if (options.dry_run) {
    vmspec::VmSpec spec = plan.for_name(choose_name(context.roots, options.name, plan.workspace()));
    if (!plan.pool().empty()) spec.pooled = vmspec::PooledVm{.pool = plan.pool()};
    if (options.json) {
      print_json(vmspec::to_json(spec));
    } else {
      print(folded(plan_text(spec), columns_of(STDOUT_FILENO), 13));
    }
    return 0;
  }
  sweep_dead(context.roots);
  {
    Progress progress(options.json);
    plan.build_missing([&progress](std::string_view line) { progress.step(std::string(line)); });
  }
  StartedVm vm = start_vm(context.roots, options.name, plan);
  log_debug("started the supervisor");
  if (!options.json) {
    print_error(folded(banner(vm.spec, context.global.verbosity > 0), columns_of(STDERR_FILENO), 13));
  }
  return follow_run(std::move(vm), {.detach = options.detach, .json = options.json}, context);
}

}  // namespace agentvm::commands
