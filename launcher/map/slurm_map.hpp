// slurm_map.hpp - submits tasks to Slurm, waits for them, and gathers their results.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "launcher/map/prepared_task.hpp"
#include "launcher/map/shared_results.hpp"
#include "launcher/map/slurm.hpp"

namespace agentvm::batch {

/// Elements of one array: Slurm's MaxArraySize is 1001 unless somebody changed it. More tasks are more arrays, one
/// after the other.
inline constexpr std::size_t max_array = 1000;

struct SlurmMapOptions {
  SlurmJob job;                 ///< without name, directory, tasks, vcpus and memory
  commands::RunOptions common;  ///< the command line's settings
  unsigned retries = 1;         ///< of what ended without a result, beyond what Slurm requeues by itself
};

struct SlurmMapEvents {
  std::function<void(const TaskResult& result)> ended;  ///< keeps it; may throw
  std::function<void(const std::string& text)> step;    ///< what is going on
  /// Waits, at most that long; returns a signal's number, or 0. Slurm tells nobody when a job changes, so it is asked.
  std::function<int(std::chrono::milliseconds)> pause;
};

struct SlurmMapEnd {
  int signal = 0;             ///< the one that ended it
  std::size_t cancelled = 0;  ///< tasks whose job somebody cancelled: they have no result
};

class SlurmMap {
 public:
  /// All outlive it.
  SlurmMap(const std::vector<PreparedTask>& tasks, SlurmMapOptions options, SlurmMapEvents events, Slurm& slurm,
           const SharedResults& shared);

  /// First waits for a job that an earlier map left in Slurm. Returns when every task has a result, was cancelled, or
  /// after a signal when the job has ended (after another one at once).
  SlurmMapEnd run();

 private:
  void gather();
  void read_digests();
  std::vector<const PreparedTask*> left() const;
  std::string submit(const std::vector<const PreparedTask*>& tasks);
  void wait(const std::string& job);
  void give_up(const std::string& job, const std::string& id, const std::string& state);
  void settle(const std::string& job);

  const std::vector<PreparedTask>& all_;
  SlurmMapOptions options_;
  SlurmMapEvents events_;
  Slurm& slurm_;
  const SharedResults& shared_;
  std::set<std::string> done_;
  std::set<std::string> cancelled_;
  std::map<std::string, std::string> digests_;  ///< of what was submitted under an id
  std::map<std::string, unsigned> lost_;        ///< how often a task's element ended without a result
  std::vector<std::string> order_;              ///< ids of the present job's elements, from 1
  SlurmStates states_;
  SlurmMapEnd end_;
};

/// The tasks as lines for the nodes: absolute workspaces, and the command line's settings among the options.
std::string tasks_for_nodes(const std::vector<const PreparedTask*>& tasks, const commands::RunOptions& common);

}  // namespace agentvm::batch
