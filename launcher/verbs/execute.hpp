// execute.hpp - from a parsed command line to the verb that does it.
#pragma once

#include "launcher/cli/options.hpp"

namespace agentvm::commands {

/// Does what was asked for and returns the exit code. Throws Error.
int execute(const Invocation& invocation);

}  // namespace agentvm::commands
