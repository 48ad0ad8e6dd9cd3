// schedule_test.cpp - how many tasks run at once, which wait for each other, and which are tried again.
#include "launcher/map/schedule.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <map>
#include <stdexcept>

#include "base/async/main_task.hpp"
#include "tests/unit/state/scratch.hpp"

using namespace agentvm;
using namespace agentvm::batch;
using test::Scratch;
namespace asio = boost::asio;

namespace {

/// Ends each attempt after two turns of the loop, with what the test wants.
class FakeRunner final : public TaskRunner {
 public:
  std::function<Attempt(const std::string& id, unsigned number)> outcome = [](const auto&, unsigned) {
    return Attempt();
  };
  std::function<void()> during;
  std::size_t most = 0;
  std::vector<std::string> order;
  std::vector<std::string> together;  ///< "a+b": b was started while a ran

  asio::awaitable<Attempt> run(const PreparedTask& task, unsigned number) override {
    for (const std::string& other : now_) together.push_back(other + "+" + task.task.id);
    now_.push_back(task.task.id);
    order.push_back(task.task.id);
    most = std::max(most, now_.size());
    if (during) during();
    for (int turn = 0; turn < 2; ++turn) co_await sleep_for(std::chrono::milliseconds(1));
    now_.erase(std::find(now_.begin(), now_.end(), task.task.id));
    co_return outcome(task.task.id, number);
  }

 private:
  std::vector<std::string> now_;
};

struct ScheduleWorld {
  Scratch scratch;
  std::vector<PreparedTask> tasks;
  FakeRunner runner;
  std::vector<TaskResult> results;
  ScheduleOptions options{.jobs = 2, .retries = 1};

  void task(const std::string& id, const std::string& directory, bool read_only = false) {
    PreparedTask prepared;
    prepared.task.id = id;
    prepared.workspace = WorkspaceId(HeldDirectory::resolve(scratch.directory(directory)));
    prepared.read_only = read_only;
    tasks.push_back(std::move(prepared));
  }
  asio::awaitable<bool> run_all(Schedule& schedule) {
    co_await schedule.run();
    co_return true;
  }
  void run(const std::function<void(const TaskResult&)>& more = {}) {
    asio::io_context io{1};
    ScheduleEvents events;
    events.ended = [&](const TaskResult& result) {
      results.push_back(result);
      if (more) more(result);
    };
    Schedule schedule(io.get_executor(), tasks, options, runner, events);
    runner.during = [&] {
      if (stop_after != 0 && runner.order.size() == stop_after) schedule.stop();
    };
    run_to_end(io, run_all(schedule));
    CHECK(schedule.running() == 0);
    left = schedule.waiting();
  }
  std::size_t stop_after = 0;
  std::size_t left = 0;
};

Attempt ended_with(int code, bool lost) {
  Attempt attempt;
  attempt.exit_code = code;
  attempt.lost = lost;
  return attempt;
}

}  // namespace

TEST_CASE("so many tasks run at once and every one has one result") {
  ScheduleWorld world;
  for (const char* id : {"a", "b", "c", "d", "e"}) world.task(id, id);
  world.options.jobs = 3;
  world.run();
  CHECK(world.runner.most == 3);
  REQUIRE(world.results.size() == 5);
  CHECK(world.results[0].attempts == 1);
}

TEST_CASE("tasks on the same files take turns and others overtake them") {
  ScheduleWorld world;
  world.task("a", "one");
  world.task("b", "one/below");
  world.task("c", "one");
  world.task("d", "two");
  CHECK(taking_turns(world.tasks) == 2);
  world.run();
  CHECK(world.results.size() == 4);
  CHECK(world.runner.order[1] == "d");
  for (const std::string& pair : world.runner.together) CHECK(pair.find('d') != std::string::npos);
}

TEST_CASE("readers of the same files run at once and a writer does not run beside them") {
  ScheduleWorld world;
  world.task("a", "one", true);
  world.task("b", "one", true);
  world.task("c", "one");
  world.options.jobs = 3;
  world.run();
  CHECK(world.runner.together == std::vector<std::string>{"a+b"});
}

TEST_CASE("what was lost is tried again and what failed by itself is not") {
  ScheduleWorld world;
  for (const char* id : {"lost", "failed", "flaky"}) world.task(id, id);
  world.runner.outcome = [](const std::string& id, unsigned number) {
    if (id == "failed") return ended_with(125, false);
    return id == "flaky" && number > 1 ? ended_with(0, false) : ended_with(125, true);
  };
  world.run();
  std::map<std::string, TaskResult> by_id;
  for (const TaskResult& result : world.results) by_id[result.id] = result;
  CHECK(by_id["lost"].attempts == 2);
  CHECK(by_id["lost"].exit_code == 125);
  CHECK(by_id["failed"].attempts == 1);
  CHECK(by_id["flaky"].attempts == 2);
  CHECK(by_id["flaky"].exit_code == 0);
}

TEST_CASE("any other code than 0 is tried again when that was asked for") {
  ScheduleWorld world;
  world.task("a", "a");
  world.options.retry_failed = true;
  world.options.retries = 3;
  world.runner.outcome = [](const std::string&, unsigned number) { return ended_with(number < 3 ? 1 : 0, false); };
  world.run();
  REQUIRE(world.results.size() == 1);
  CHECK(world.results[0].attempts == 3);
}

TEST_CASE("a stopped schedule starts nothing more and keeps no result of what was interrupted") {
  ScheduleWorld world;
  for (const char* id : {"a", "b", "c"}) world.task(id, id);
  world.stop_after = 2;
  world.runner.outcome = [](const std::string& id, unsigned) {
    Attempt attempt = ended_with(143, true);
    attempt.interrupted = id == "a";
    return attempt;
  };
  world.run();
  CHECK(world.runner.order.size() == 2);
  CHECK(world.left == 1);
  REQUIRE(world.results.size() == 1);
  CHECK(world.results[0].id == "b");
}

TEST_CASE("results that cannot be kept end the schedule") {
  ScheduleWorld world;
  for (const char* id : {"a", "b", "c", "d"}) world.task(id, id);
  CHECK_THROWS_WITH(world.run([](const TaskResult&) { throw std::runtime_error("the disk is full"); }),
                    "the disk is full");
  CHECK(world.runner.order.size() == 2);
}
