// schedule.cpp - starts, retries and counts.
#include "launcher/map/schedule.hpp"

#include <algorithm>
#include <exception>
#include <utility>

#include "base/unix_time.hpp"

namespace agentvm::batch {

namespace asio = boost::asio;

Schedule::Schedule(asio::any_io_executor executor, const std::vector<PreparedTask>& tasks, ScheduleOptions options,
                   TaskRunner& runner, ScheduleEvents events)
    : all_(tasks),
      options_(options),
      runner_(runner),
      events_(std::move(events)),
      changed_(executor),
      tasks_(executor, [this](const std::exception_ptr&) {
        stop();
        if (events_.failed) events_.failed();
      }) {
  for (std::size_t index = 0; index < all_.size(); ++index) waiting_.push_back(index);
}

asio::awaitable<void> Schedule::run() {
  for (;;) {
    start_what_fits();
    if (running_.empty() && (waiting_.empty() || stopping_)) break;
    co_await changed_.wait();
  }
  co_await tasks_.finished();
  if (tasks_.failure()) std::rethrow_exception(tasks_.failure());
}

void Schedule::stop() {
  stopping_ = true;
  changed_.notify();
}

bool Schedule::has_room_for(const PreparedTask& task) const {
  return std::none_of(running_.begin(), running_.end(), [&](std::size_t other) { return conflict(task, all_[other]); });
}

void Schedule::start_what_fits() {
  for (auto next = waiting_.begin(); next != waiting_.end() && running_.size() < options_.jobs && !stopping_;) {
    if (!has_room_for(all_[*next])) {
      ++next;
      continue;
    }
    running_.push_back(*next);
    tasks_.spawn(work(*next));
    next = waiting_.erase(next);
  }
}

bool Schedule::again(const Attempt& attempt, unsigned number) const {
  if (stopping_ || attempt.interrupted || number > options_.retries) return false;
  return attempt.lost || (options_.retry_failed && attempt.exit_code != 0);
}

asio::awaitable<void> Schedule::work(std::size_t index) {
  struct Leave {
    Schedule& schedule;
    std::size_t index;
    ~Leave() {
      schedule.running_.remove(index);
      schedule.changed_.notify();
    }
  } const leave{*this, index};
  const PreparedTask& prepared = all_[index];
  const std::int64_t started = unix_ms();
  Attempt attempt;
  unsigned number = 0;
  do {
    ++number;
    if (events_.started) events_.started(prepared.task, number);
    auto running = runner_.run(prepared, number);
    attempt = co_await std::move(running);
  } while (again(attempt, number));
  // A resumed map does it from the beginning.
  if (attempt.interrupted) co_return;
  TaskResult result;
  result.id = prepared.task.id;
  result.digest = prepared.task.digest;
  result.exit_code = attempt.exit_code;
  result.ended = attempt.ended;
  result.name = attempt.name;
  result.attempts = number;
  result.started = utc_text(started);
  result.total_ms = unix_ms() - started;
  result.error = attempt.error;
  result.report = attempt.report;
  events_.ended(result);
}

}  // namespace agentvm::batch
