// slurm_map_test.cpp - rounds of a map under a Slurm in memory: results, lost tasks, cancelled ones, earlier jobs.
#include "launcher/map/slurm_map.hpp"

#include <doctest/doctest.h>
#include <signal.h>

#include <algorithm>

#include "base/error.hpp"
#include "base/file.hpp"
#include "tests/unit/has.hpp"
#include "tests/unit/state/scratch.hpp"

using namespace agentvm;
using namespace agentvm::batch;
using agentvm::test::has;
using test::Scratch;

namespace {

/// Each question is a turn: the test says what happened in it.
class FakeSlurm final : public Slurm {
 public:
  std::function<SlurmStates(int job, int turn)> answer;
  std::vector<SlurmJob> jobs;
  std::vector<std::string> earlier;
  std::vector<std::string> cancelled;

  std::string submit(const SlurmJob& job) override {
    jobs.push_back(job);
    turn_ = 0;
    return std::to_string(jobs.size());
  }
  std::vector<std::string> find(const std::string&) override { return earlier; }
  SlurmStates states(const std::string& job) override { return answer(std::stoi(job), ++turn_); }
  void cancel(const std::string& job) override { cancelled.push_back(job); }

 private:
  int turn_ = 0;
};

struct SlurmWorld {
  Scratch scratch;
  SharedResults shared = SharedResults::open(scratch / "shared", true);
  std::vector<PreparedTask> tasks;
  FakeSlurm slurm;
  std::vector<TaskResult> results;
  std::vector<std::string> steps;
  SlurmMapOptions options;
  std::function<int()> signal = [] { return 0; };

  explicit SlurmWorld(const std::vector<std::string>& ids) {
    for (const std::string& id : ids) {
      PreparedTask task;
      task.task.id = id;
      task.task.workspace = "/w/" + id;
      task.task.prompt = "x";
      task.task.digest = "digest-" + id;
      task.vcpus = 2;
      task.memory_bytes = std::uint64_t{1} << 30;
      tasks.push_back(std::move(task));
    }
  }
  void publish(const std::string& id, int exit_code = 0) const {
    TaskResult result;
    result.id = id;
    result.exit_code = exit_code;
    shared.publish(result);
  }
  SlurmMapEnd run() {
    SlurmMapEvents events;
    events.ended = [&](const TaskResult& result) { results.push_back(result); };
    events.step = [&](const std::string& text) { steps.push_back(text); };
    events.pause = [&](std::chrono::milliseconds) { return signal(); };
    return SlurmMap(tasks, options, std::move(events), slurm, shared).run();
  }
  std::string ids() const {
    std::vector<std::string> all;
    for (const TaskResult& result : results) all.push_back(result.id);
    std::sort(all.begin(), all.end());
    std::string text;
    for (const std::string& id : all) text += id;
    return text;
  }
};

}  // namespace

TEST_CASE("an array's results are gathered as they come with the tasks' own digests") {
  SlurmWorld world({"a", "b"});
  world.slurm.answer = [&](int, int turn) {
    if (turn == 1) return SlurmStates{{1, "RUNNING"}, {2, "PENDING"}};
    if (turn == 2) world.publish("a");
    if (turn == 2) return SlurmStates{{1, "COMPLETED"}, {2, "RUNNING"}};
    world.publish("b", 3);
    return SlurmStates{{1, "COMPLETED"}, {2, "FAILED"}};
  };
  const SlurmMapEnd end = world.run();
  CHECK(end.signal == 0);
  CHECK(world.ids() == "ab");
  CHECK(world.results[0].digest == "digest-a");
  REQUIRE(world.slurm.jobs.size() == 1);
  CHECK(world.slurm.jobs[0].tasks == 2);
  CHECK(world.slurm.jobs[0].vcpus == 2);
  CHECK(world.slurm.jobs[0].memory > std::uint64_t{1} << 30);
  const Tasks for_nodes = parse_tasks(read_file(world.shared.tasks_path()), "t");
  REQUIRE(for_nodes.tasks.size() == 2);
  CHECK(for_nodes.tasks[1].id == "b");
}

TEST_CASE("the command line's settings are in the tasks of the nodes") {
  SlurmWorld world({"a"});
  world.tasks[0].task.options = {"--vcpus=1"};
  commands::RunOptions common;
  common.profile = "rust";
  common.overrides = {{"--memory", "machine.memory", {"2GiB"}}, {"--vcpus", "machine.vcpus", {"4"}}};
  const Tasks tasks = parse_tasks(tasks_for_nodes({&world.tasks[0]}, common), "t");
  REQUIRE(tasks.tasks.size() == 1);
  CHECK(tasks.tasks[0].options == std::vector<std::string>{"--profile=rust", "--memory=2GiB", "--vcpus=1"});
}

TEST_CASE("a task that ended without a result is submitted again and then given up") {
  SlurmWorld world({"a", "b", "c"});
  world.slurm.answer = [&](int job, int) {
    if (job == 1) world.publish("b");
    return job == 1 ? SlurmStates{{1, "NODE_FAIL"}, {2, "COMPLETED"}, {3, "TIMEOUT"}} : SlurmStates{{1, "FAILED"}};
  };
  world.run();
  CHECK(world.ids() == "abc");
  REQUIRE(world.slurm.jobs.size() == 2);
  CHECK(world.slurm.jobs[1].tasks == 1);
  for (const TaskResult& result : world.results) {
    if (result.id == "a") {
      CHECK(result.exit_code == 125);
      CHECK(result.attempts == 2);
      CHECK(has(result.error, "Slurm's job 2_1 ended without a result (FAILED); what it printed: "));
    }
    if (result.id == "c") CHECK(result.exit_code == 124);
  }
}

TEST_CASE("what somebody cancelled in Slurm has no result and is not submitted again") {
  SlurmWorld world({"a", "b"});
  world.slurm.answer = [&](int, int) {
    world.publish("a");
    return SlurmStates{{1, "COMPLETED"}, {2, "CANCELLED"}};
  };
  CHECK(world.run().cancelled == 1);
  CHECK(world.ids() == "a");
  CHECK(world.slurm.jobs.size() == 1);
}

TEST_CASE("a signal cancels the job and its results are gathered") {
  SlurmWorld world({"a", "b"});
  int signals = 0;
  world.signal = [&] { return ++signals == 1 ? SIGINT : 0; };
  world.slurm.answer = [&](int, int turn) {
    if (turn < 3) return SlurmStates{{1, "RUNNING"}, {2, "COMPLETING"}};
    world.publish("a");
    return SlurmStates{{1, "COMPLETED"}, {2, "CANCELLED"}};
  };
  CHECK(world.run().signal == SIGINT);
  CHECK(world.slurm.cancelled == std::vector<std::string>{"1"});
  CHECK(world.ids() == "a");
  CHECK(world.slurm.jobs.size() == 1);
}

TEST_CASE("a job that an earlier map left is waited for before another is submitted") {
  SlurmWorld world({"a", "b"});
  write_file_atomic(world.shared.tasks_path(), "{\"id\":\"a\",\"workspace\":\"/w\",\"prompt\":\"x\"}\n");
  world.slurm.earlier = {"7"};
  world.slurm.answer = [&](int job, int turn) {
    if (job == 7 && turn == 1) return SlurmStates{{1, "RUNNING"}};
    world.publish(job == 7 ? "a" : "b");
    return SlurmStates{{1, "COMPLETED"}};
  };
  world.run();
  CHECK(world.ids() == "ab");
  REQUIRE(world.slurm.jobs.size() == 1);
  CHECK(world.slurm.jobs[0].tasks == 1);
  CHECK(has(world.steps[0], "job 7 of an earlier map is still in Slurm"));
}

TEST_CASE("a result of a task that was edited meanwhile is not taken") {
  SlurmWorld world({"a"});
  write_file_atomic(world.shared.digests_path(), R"({"a":"another"})");
  world.publish("a");
  CHECK_THROWS_AS(world.run(), Error);
  CHECK(world.results.empty());
}

TEST_CASE("a Slurm that does not answer is asked again") {
  SlurmWorld world({"a"});
  world.slurm.answer = [&](int, int turn) {
    if (turn < 3) throw Error("squeue failed: no controller");
    world.publish("a");
    return SlurmStates{};
  };
  world.run();
  CHECK(world.ids() == "a");
  CHECK(std::count(world.steps.begin(), world.steps.end(),
                   "job 1: Slurm does not answer: squeue failed: no controller") == 1);
}

TEST_CASE("more tasks than an array takes are more arrays") {
  std::vector<std::string> ids;
  for (std::size_t i = 0; i <= max_array; ++i) ids.push_back("t" + std::to_string(i));
  SlurmWorld world(ids);
  world.slurm.answer = [&](int job, int) {
    for (std::size_t i = 0; i < world.slurm.jobs.back().tasks; ++i) world.publish(ids[job == 1 ? i : max_array]);
    return SlurmStates{};
  };
  world.run();
  CHECK(world.results.size() == ids.size());
  REQUIRE(world.slurm.jobs.size() == 2);
  CHECK(world.slurm.jobs[1].tasks == 1);
}
