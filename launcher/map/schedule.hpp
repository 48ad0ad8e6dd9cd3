// schedule.hpp - which task runs when: so many at a time, none beside another on the same files, again what was lost.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <cstddef>
#include <functional>
#include <list>
#include <vector>

#include "base/async/event.hpp"
#include "base/async/task_group.hpp"
#include "launcher/map/attempt.hpp"
#include "launcher/map/prepared_task.hpp"
#include "launcher/map/result.hpp"

namespace agentvm::batch {

struct ScheduleOptions {
  unsigned jobs = 1;          ///< tasks at a time
  unsigned retries = 1;       ///< of each task, beyond its first run
  bool retry_failed = false;  ///< whatever ended with another code than 0, not only what was lost
};

/// Who is told, on the loop's thread.
struct ScheduleEvents {
  std::function<void(const Task& task, unsigned attempt)> started;
  /// Keeps the result. What it throws stops the schedule.
  std::function<void(const TaskResult& result)> ended;
  /// It was stopped by what a callback threw; may be empty.
  std::function<void()> failed = {};
};

class Schedule {
 public:
  /// `tasks` and `runner` outlive it.
  Schedule(boost::asio::any_io_executor executor, const std::vector<PreparedTask>& tasks, ScheduleOptions options,
           TaskRunner& runner, ScheduleEvents events);

  /// Completes when every task has ended, or after stop() those that ran. Throws what a callback threw.
  boost::asio::awaitable<void> run();
  /// Starts nothing more, retries nothing more. What runs is its runner's to end.
  void stop();

  std::size_t running() const noexcept { return running_.size(); }
  std::size_t waiting() const noexcept { return waiting_.size(); }

 private:
  bool has_room_for(const PreparedTask& task) const;
  void start_what_fits();
  bool again(const Attempt& attempt, unsigned number) const;
  boost::asio::awaitable<void> work(std::size_t index);

  const std::vector<PreparedTask>& all_;
  ScheduleOptions options_;
  TaskRunner& runner_;
  ScheduleEvents events_;
  AsyncEvent changed_;
  std::list<std::size_t> waiting_;  ///< indices, in the order of the file
  std::list<std::size_t> running_;
  bool stopping_ = false;
  TaskGroup tasks_;
};

}  // namespace agentvm::batch
