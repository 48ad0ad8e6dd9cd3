// shared_results.hpp - results of tasks that run on many machines: a directory that all of them see, a file a task.
//
// DIRECTORY/tasks.jsonl  the tasks of the job, one a line; its number is the task's in the job
// DIRECTORY/digests      by id, Task::digest of every task that was ever submitted
// DIRECTORY/done/ID      a result, as the line that it will be in the results file
// DIRECTORY/claims/ID    locked (flock(2)) by the machine that runs the task
// A result appears whole or not at all, and the first one stays: it is made elsewhere and linked into its place
// (link(2) fails where there is one), which NFS does alike.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/held_directory.hpp"
#include "base/unique_fd.hpp"
#include "launcher/map/result.hpp"

namespace agentvm::batch {

class SharedResults {
 public:
  /// Opens the directory; with `make` it is made, 0700, with what is in it. Throws Error naming what is not there.
  static SharedResults open(const std::string& path, bool make);

  const std::string& path() const noexcept { return directory_.path(); }
  std::string tasks_path() const { return path() + "/tasks.jsonl"; }
  std::string digests_path() const { return path() + "/digests"; }

  /// nullopt: the task has no result yet. Throws Error naming the file when it is none.
  std::optional<TaskResult> find(const std::string& id) const;
  /// The ids of all results there are.
  std::vector<std::string> ids() const;
  /// On the disk when it returns. False: the task has a result already, which stays.
  bool publish(const TaskResult& result) const;

  /// The task's claim, held until the descriptor is closed or its process is gone. nullopt: another machine holds it.
  std::optional<UniqueFd> try_claim(const std::string& id) const;
  /// Waits for it, for as long as that takes.
  UniqueFd claim(const std::string& id) const;

  /// Removes all of it. What cannot be removed is in the return value.
  std::string remove() const;

 private:
  SharedResults() = default;
  UniqueFd open_claim(const std::string& id) const;

  HeldDirectory directory_, done_, claims_;
};

}  // namespace agentvm::batch
