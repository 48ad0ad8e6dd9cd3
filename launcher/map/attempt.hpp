// attempt.hpp - one run of a task: what it came to, and who makes one.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <string>

#include "launcher/map/prepared_task.hpp"

namespace agentvm::batch {

struct Attempt {
  int exit_code = 0;
  std::string ended;            ///< see TaskResult
  std::string name;             ///< the VM's
  std::string error;            ///< what agentvm said when it failed
  std::string report = "null";  ///< JSON
  /// agentvm failed or the VM was lost before the agent came to its end: the task may be tried again.
  bool lost = false;
  /// We ended it: this is not how the task ends.
  bool interrupted = false;
};

/// Runs tasks; a test brings one of its own.
class TaskRunner {
 public:
  virtual ~TaskRunner() = default;
  /// Completes when the run has ended and its VM is gone. What fails becomes an Attempt that is lost. The task outlives
  /// the coroutine.
  virtual boost::asio::awaitable<Attempt> run(const PreparedTask& task, unsigned number) = 0;
};

}  // namespace agentvm::batch
