// remote_process.hpp - runs one more process in a VM, joined to our own streams.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "launcher/state/vm_directory.hpp"

namespace agentvm::commands {

struct RemoteProcess {
  std::vector<std::string> argv;
  bool tty = false;
  std::map<std::string, std::string> environment = {};  ///< added to the agent's
  std::string directory = {};                           ///< "": the agent's
  std::optional<unsigned> uid = {};                     ///< nullopt: the agent's
};

/// Runs it to its end; returns its exit code, 126 when it cannot be started, 127 when it is not found (said on stderr).
/// SIGINT and SIGTERM go to it; a second one, SIGHUP, or the end of our output's reader end it. Throws Error when the
/// VM is not running or goes away.
int run_remote_process(const state::VmPaths& paths, const RemoteProcess& process);

}  // namespace agentvm::commands
