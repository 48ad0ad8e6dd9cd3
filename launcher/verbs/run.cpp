// run.cpp - agentvm run: plan, show or start, stay with it.
#include <unistd.h>

#include <nlohmann/json.hpp>

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

int run(const RunOptions& options, const Context& context) {
  RunPlan plan(options, context);
  if (options.dry_run) {
    const vmspec::VmSpec spec = plan.for_name(choose_name(context.roots, options.name, plan.workspace()));
    if (options.json) {
      print_json(vmspec::to_json(spec));
    } else {
      print(plan_text(spec));
    }
    return 0;
  }
  sweep_dead(context.roots);
  {
    Progress progress(options.json);
    plan.build_missing([&progress](std::string_view line) { progress.step(std::string(line)); });
  }
  StartedVm vm = start_vm(context.roots, options.name, plan);
  log_debug("the supervisor is started");
  if (!options.json) print_error(banner(vm.spec));
  return follow_run(std::move(vm), {.detach = options.detach, .json = options.json}, context);
}

}  // namespace agentvm::commands
