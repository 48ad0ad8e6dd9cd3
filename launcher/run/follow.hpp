// follow.hpp - stays with a run: shows how it comes up, lends it the terminal, tells how it ended.
#pragma once

#include "launcher/cli/context.hpp"
#include "launcher/run/start.hpp"

namespace agentvm::commands {

struct FollowOptions {
  bool detach = false;  ///< return when the agent has started
  bool json = false;    ///< events as JSON lines on stdout, the agent's output among them
};

/// Returns the run's exit code. Throws Error when the run failed in agentvm itself; nothing is left then.
int follow_run(StartedVm vm, const FollowOptions& options, const Context& context);

}  // namespace agentvm::commands
