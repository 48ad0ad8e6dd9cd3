// map_progress.hpp - what a map says while it works, and at its end.
#pragma once

#include <cstddef>
#include <set>
#include <string>

#include "launcher/map/result.hpp"
#include "launcher/run/progress.hpp"

namespace agentvm::batch {

class MapProgress {
 public:
  /// `total` tasks, of which `done` were done before and `failed` of them with another exit code than 0.
  MapProgress(std::size_t total, std::size_t done, std::size_t failed);

  void started(const std::string& id, unsigned attempt);
  void ended(const TaskResult& result);
  /// The line for what is not about one task.
  void step(const std::string& text);

  /// "12 of 30 tasks are done, 2 with another exit code than 0 (a: 1, b: 125); 4 s".
  std::string summary(std::int64_t took_ms) const;
  bool all_good() const noexcept { return done_ == total_ && failed_ == 0; }
  void clear() noexcept { line_.clear(); }

 private:
  void show();

  std::size_t total_, done_, failed_;
  std::set<std::string> running_;
  std::string first_failures_;
  std::size_t named_ = 0;
  bool terminal_;
  commands::Progress line_;
};

}  // namespace agentvm::batch
