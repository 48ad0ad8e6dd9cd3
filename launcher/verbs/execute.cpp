// execute.cpp - calls the verb.
#include "launcher/verbs/execute.hpp"

#include <unistd.h>

#include <variant>

#include "base/startable.hpp"
#include "launcher/state/guest_places.hpp"
#include "launcher/terminal/log.hpp"
#include "launcher/terminal/output.hpp"
#include "launcher/verbs/verbs.hpp"

namespace agentvm::commands {

namespace {

struct Call {
  const Context& context;

  int operator()(const PrintText& options) const {
    print(options.text);
    return 0;
  }
  int operator()(const RunOptions& options) const { return run(options, context); }
  int operator()(const MapOptions& options) const { return map(options, context); }
  int operator()(const ExecOptions& options) const { return exec(options, context); }
  int operator()(const ShellOptions& options) const { return shell(options, context); }
  int operator()(const AttachOptions& options) const { return attach(options, context); }
  int operator()(const ListOptions& options) const { return list(options, context); }
  int operator()(const InspectOptions& options) const { return inspect(options, context); }
  int operator()(const LogsOptions& options) const { return logs(options, context); }
  int operator()(const StopOptions& options) const { return stop(options, context); }
  int operator()(const DestroyOptions& options) const { return destroy(options, context); }
  int operator()(const GcOptions& options) const { return gc(options, context); }
  int operator()(const NetShowOptions& options) const { return net_show(options, context); }
  int operator()(const PoolOptions& options) const { return pool(options, context); }
  int operator()(const DoctorOptions& options) const { return doctor(options, context); }
  int operator()(const ProfileListOptions& options) const { return profile_list(options, context); }
  int operator()(const ProfileShowOptions& options) const { return profile_show(options, context); }
  int operator()(const ProfileCheckOptions& options) const { return profile_check(options, context); }
  int operator()(const DefinitionOptions& options) const { return definition(options, context); }
  int operator()(const BuildOptions& options) const { return build(options, context); }
  int operator()(const InitOptions& options) const { return init(options, context); }
};

}  // namespace

int execute(const Invocation& invocation) {
  set_up_log(invocation.global.verbosity, color_allowed(invocation.global.no_color, STDERR_FILENO));
  Context context;
  context.global = invocation.global;
  if (!std::holds_alternative<PrintText>(invocation.verb)) {
    context.roots = state::user_roots();
    // Before anything is read, resolved or started: no verb is too small to be led by a guest's link.
    never_start_from(state::guest_places(context.roots));
  }
  return std::visit(Call{context}, invocation.verb);
}

}  // namespace agentvm::commands
