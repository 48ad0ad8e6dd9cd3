// node_task.hpp - one task on a node: claimed, run, and its result published for all machines.
#pragma once

#include <string>

#include "launcher/cli/context.hpp"
#include "launcher/map/schedule.hpp"

namespace agentvm::batch {

struct NodeTaskOptions {
  std::string tasks;            ///< of SharedResults
  unsigned line = 0;            ///< the task's
  std::string results;          ///< the directory of SharedResults; made where it is missing
  std::string logs;             ///< ""; none are kept
  ScheduleOptions retry;        ///< `jobs` means nothing
  commands::RunOptions common;  ///< the command line's settings
};

/// Runs the task unless it has a result, and returns its exit code. While another machine holds its claim (a node that
/// was taken for dead) it waits. A signal ends the run and leaves no result: the task is still to be done. Throws
/// Error.
int run_node_task(const NodeTaskOptions& options, const commands::Context& context);

}  // namespace agentvm::batch
