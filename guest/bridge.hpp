// bridge.hpp - `agentvm-guest bridge NAME`: stdin and stdout become a service of the host.
#pragma once

#include <string>

namespace agentvm::guest {

/// Asks the guest's daemon for a service over `socket_path`, then copies `input` to it and it to `output` until the
/// service ends. The end of the input is passed on and the answer still read. Returns the exit code: 0 when the service
/// ended in order; otherwise a sentence has gone to stderr. Ends the process's other thread with the process: call
/// _exit or return from main soon after.
int run_bridge(const std::string& name, const std::string& socket_path, int input = 0, int output = 1);

}  // namespace agentvm::guest
