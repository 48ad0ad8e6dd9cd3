// prepared_task.hpp - tasks checked against this machine before any of them starts.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "launcher/cli/context.hpp"
#include "launcher/map/tasks_file.hpp"
#include "launcher/map/workspace_id.hpp"

namespace agentvm::batch {

/// A task, and all that is known of its run.
struct PreparedTask {
  Task task;
  std::vector<std::string> words;  ///< the command line of its `agentvm run`, without "agentvm"
  WorkspaceId workspace;
  bool read_only = false;  ///< workspace.mode: others may read there meanwhile
  unsigned vcpus = 0;
  std::uint64_t memory_bytes = 0;
};

/// The tasks file as it was found: held, so that what is checked is what is read.
struct TasksSource {
  std::string path;  ///< absolute
  std::string text;
  WorkspaceId directory;
  std::string directory_path;
};
/// Throws a usage Error when it cannot be read, or lies where a guest writes, or wrote: it decides what runs on this
/// host.
TasksSource read_tasks_file(const std::string& path);

/// A directory that a map writes in, and no guest may.
struct KeptPlace {
  std::string what;    ///< "the results"
  std::string option;  ///< that names another one, "--results FILE"
  WorkspaceId directory;
};

/// Parses the file and checks each task as its `agentvm run` would: options, workspace, profile. Throws an Error with
/// every mistake.
std::vector<PreparedTask> prepare_tasks(const TasksSource& source, const std::vector<KeptPlace>& kept,
                                        const commands::RunOptions& common, const commands::Context& context);

/// How many of the tasks have to wait for others because they work on the same files and may write them.
std::size_t taking_turns(const std::vector<PreparedTask>& tasks);
/// Whether two tasks must not run at once.
bool conflict(const PreparedTask& one, const PreparedTask& other);

}  // namespace agentvm::batch
