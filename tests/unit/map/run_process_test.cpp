// run_process_test.cpp - children in the place of `agentvm run`: their events, their logs, their end by our signals.
#include "launcher/map/run_process.hpp"

#include <doctest/doctest.h>

#include <boost/asio/io_context.hpp>
#include <chrono>

#include "base/async/event.hpp"
#include "base/async/main_task.hpp"
#include "base/async/task_group.hpp"
#include "base/file.hpp"
#include "tests/unit/has.hpp"
#include "tests/unit/state/scratch.hpp"

using namespace agentvm;
using namespace agentvm::batch;
using agentvm::test::has;
using test::Scratch;
namespace asio = boost::asio;

namespace {

struct ProcessWorld {
  Scratch scratch;
  asio::io_context io{1};
  PreparedTask task;

  explicit ProcessWorld(const std::string& script) {
    scratch.write("agentvm", "#!/bin/sh\n" + script, 0755);
    task.task.id = "t";
    task.words = {"run", "/w"};
  }
  RunProcesses processes() {
    return RunProcesses(io.get_executor(),
                        {.program = scratch / "agentvm", .logs = HeldDirectory::resolve(scratch.directory("logs"))});
  }
  Attempt attempt() {
    RunProcesses all = processes();
    return run_to_end(io, all.run(task, 1));
  }
  /// Signals as often as it takes, `times` at most.
  static asio::awaitable<void> interrupt(RunProcesses& all, std::string mark, int times) {
    while (access(mark.c_str(), F_OK) != 0) co_await sleep_for(std::chrono::milliseconds(5));
    for (int time = 0; time < times; ++time) {
      all.interrupt();
      co_await sleep_for(std::chrono::milliseconds(50));
    }
  }
  asio::awaitable<Attempt> interrupted(RunProcesses& all, int times) {
    TaskGroup group(io.get_executor());
    group.spawn(interrupt(all, scratch / "ready", times));
    auto running = all.run(task, 1);
    Attempt attempt = co_await std::move(running);
    co_await group.join();
    co_return attempt;
  }
};

}  // namespace

TEST_CASE("a run's events and words come to an attempt and are kept") {
  ProcessWorld world(R"(echo '{"event":"run","name":"'"$1-$2"'"}'
echo '{"event":"output","stream":"stdout","data":"hello"}'
echo '{"event":"agent-ended","exit_code":3}'
echo '{"event":"stopped","report":{"exit_code":3,"ended":"agent ended"}}'
echo a warning >&2
exit 3
)");
  const Attempt attempt = world.attempt();
  CHECK(attempt.exit_code == 3);
  CHECK(attempt.name == "run-/w");
  CHECK(attempt.ended == "agent ended");
  const std::string log = read_file(world.scratch / "logs/t.jsonl");
  CHECK(has(log, "{\"event\":\"attempt\",\"number\":1}\n"));
  CHECK(has(log, R"("data":"hello")"));
  CHECK(has(log, "{\"event\":\"stderr\",\"data\":\"a warning\\n\"}\n"));
}

TEST_CASE("a program that cannot be started is a lost attempt") {
  ProcessWorld world("");
  REQUIRE(unlink((world.scratch / "agentvm").c_str()) == 0);
  const Attempt attempt = world.attempt();
  CHECK(attempt.lost);
  CHECK(has(attempt.error, "agentvm: no such program"));
}

TEST_CASE("a run is asked to end and what it says then is no result") {
  ProcessWorld world("trap 'exit 143' TERM\ntouch \"${0%/*}/ready\"\nwhile :; do sleep 0.05; done\n");
  RunProcesses all = world.processes();
  const Attempt attempt = run_to_end(world.io, world.interrupted(all, 1));
  CHECK(attempt.interrupted);
  CHECK(attempt.exit_code == 143);
}

TEST_CASE("a run that does not end is killed at last") {
  ProcessWorld world("trap '' TERM\ntouch \"${0%/*}/ready\"\nexec sleep 60\n");
  RunProcesses all = world.processes();
  const Attempt attempt = run_to_end(world.io, world.interrupted(all, 4));
  CHECK(attempt.interrupted);
  CHECK(attempt.exit_code == 137);
}
