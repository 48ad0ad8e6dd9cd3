// local_map.cpp - the loop around a schedule, and the signals.
#include "launcher/map/local_map.hpp"

#include <signal.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <utility>

#include "base/async/event.hpp"
#include "base/async/main_task.hpp"
#include "base/async/task_group.hpp"
#include "launcher/map/run_process.hpp"
#include "launcher/terminal/signals.hpp"

namespace agentvm::batch {

namespace asio = boost::asio;
using namespace std::chrono_literals;

namespace {

/// What an agent has to end by itself, then what its VM has to shut down (agentvm run gives it 2 s before it is
/// forced).
constexpr auto grace = 5s;

class LocalMap {
 public:
  LocalMap(asio::io_context& io, const std::vector<PreparedTask>& tasks, LocalMapOptions options, ScheduleEvents events)
      : processes_(io.get_executor(), {std::move(options.program), std::move(options.logs)}),
        schedule_(io.get_executor(), tasks, options.schedule, processes_, with_failure(std::move(events))),
        signals_(io.get_executor()),
        tasks_(io.get_executor()) {}

  asio::awaitable<int> run() {
    tasks_.spawn(signals_.run([this](int number) { on_signal(number); }));
    std::exception_ptr failure;
    try {
      co_await schedule_.run();
    } catch (...) {
      failure = std::current_exception();
    }
    co_await tasks_.join();
    if (failure) std::rethrow_exception(failure);
    co_return signal_;
  }

 private:
  /// Results that cannot be kept are no reason to go on.
  ScheduleEvents with_failure(ScheduleEvents events) {
    events.failed = [this] { end(); };
    return events;
  }

  void on_signal(int number) {
    if (number == SIGWINCH) return;
    if (signal_ == 0) signal_ = number;
    end();
  }

  void end() {
    schedule_.stop();
    processes_.interrupt();
    if (!std::exchange(ending_, true)) tasks_.spawn(insist());
  }

  asio::awaitable<void> insist() {
    for (;;) {
      co_await sleep_for(grace);
      processes_.interrupt();
    }
  }

  RunProcesses processes_;
  Schedule schedule_;
  commands::SignalWatch signals_;
  int signal_ = 0;
  bool ending_ = false;
  TaskGroup tasks_;
};

}  // namespace

int map_here(const std::vector<PreparedTask>& tasks, LocalMapOptions options, ScheduleEvents events) {
  asio::io_context io{1};
  LocalMap map(io, tasks, std::move(options), std::move(events));
  return run_to_end(io, map.run());
}

}  // namespace agentvm::batch
