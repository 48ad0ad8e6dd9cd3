// results_file.hpp - the results: one JSON line a task, on disk before anybody is told of it.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/held_directory.hpp"
#include "base/unique_fd.hpp"
#include "launcher/map/result.hpp"
#include "launcher/map/task.hpp"

namespace agentvm::batch {

/// What the results file knew of a task when it was opened.
struct Done {
  std::string digest;
  int exit_code = 0;
  std::size_t line = 0;  ///< in the results file, from 1
};

/// An append-only file that one map at a time holds (flock(2), which ends with its process).
class ResultsFile {
 public:
  /// Opens or makes DIRECTORY/NAME, mode 0600, through no link. With `resume` reads what is there, and takes away a
  /// last line that a killed map left half written; without it the file must be empty. Throws a usage Error: another
  /// map holds it, it has results already, or (naming the line) it is no results file.
  ResultsFile(const HeldDirectory& directory, const std::string& name, bool resume);

  const std::string& path() const noexcept { return path_; }
  const std::map<std::string, Done>& done() const noexcept { return done_; }
  /// Bytes of a half-written line that were taken away.
  std::size_t repaired() const noexcept { return repaired_; }

  /// Adds a line; when it returns, the line is on the disk. Throws Error naming the file.
  void append(const TaskResult& result);

 private:
  void read();
  void take(std::string_view text, std::size_t line);

  std::string path_;
  UniqueFd fd_;
  std::map<std::string, Done> done_;
  std::size_t repaired_ = 0;
};

/// The tasks' ids that are done by this file. Throws a usage Error where a result is of another task than the one that
/// has its id now.
void check_same_tasks(const ResultsFile& results, const std::vector<Task>& tasks);

}  // namespace agentvm::batch
