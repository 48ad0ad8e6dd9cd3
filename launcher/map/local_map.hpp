// local_map.hpp - runs tasks on this machine, and ends them in order when it is told to.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/held_directory.hpp"
#include "launcher/map/prepared_task.hpp"
#include "launcher/map/result.hpp"
#include "launcher/map/schedule.hpp"

namespace agentvm::batch {

struct LocalMapOptions {
  ScheduleOptions schedule;
  std::string program;  ///< agentvm
  HeldDirectory logs;   ///< none: no logs are kept
};

/// Runs them all, or until SIGINT, SIGTERM or SIGHUP: then every run is ended (in order, and killed when it takes
/// long). Returns the signal's number; 0: there was none. Throws what a callback threw, when every run has ended.
int map_here(const std::vector<PreparedTask>& tasks, LocalMapOptions options, ScheduleEvents events);

}  // namespace agentvm::batch
