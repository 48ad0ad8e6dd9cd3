// prepared_task_test.cpp - tasks against directories and profiles that are really there.
#include "launcher/map/prepared_task.hpp"

#include <doctest/doctest.h>

#include <algorithm>

#include "base/error.hpp"
#include "tests/unit/has.hpp"
#include "tests/unit/state/scratch.hpp"

using namespace agentvm;
using namespace agentvm::batch;
using agentvm::test::has;
using test::Scratch;
using test::Variable;

namespace {

struct PreparedWorld {
  Scratch scratch;
  Variable config{"XDG_CONFIG_HOME", (scratch / "config").c_str()};
  Variable home{"HOME", (scratch / "home").c_str()};
  commands::Context context;
  commands::RunOptions common;

  PreparedWorld() {
    context.roots = scratch.roots();
    for (const char* directory : {"home", "a", "a/below", "b", "tasks"}) scratch.directory(directory);
    scratch.write("config/agentvm/profiles/small.toml",
                  "extends = \"default\"\n[machine]\nvcpus = 1\nmemory = \"640MiB\"\n");
  }
  std::vector<PreparedTask> prepare(const std::string& text, const std::string& file = "tasks/t.jsonl") {
    const TasksSource source = read_tasks_file(scratch.write(file, text));
    std::vector<KeptPlace> kept;
    kept.push_back({"the results", "--results FILE", WorkspaceId(HeldDirectory::resolve(scratch / "tasks"))});
    return prepare_tasks(source, kept, common, context);
  }
  std::string refusal(const std::string& text, const std::string& file = "tasks/t.jsonl") {
    try {
      prepare(text, file);
    } catch (const Error& error) {
      CHECK(error.code() == ExitCode::usage);
      return error.what();
    }
    return {};
  }
};

}  // namespace

TEST_CASE("a task's directory is looked for from the tasks file and its profile says how large it is") {
  PreparedWorld world;
  const auto tasks = world.prepare(
      "{\"workspace\":\"../a\",\"prompt\":\"x\",\"profile\":\"small\"}\n"
      "{\"workspace\":\"../"
      "b\",\"command\":[\"true\"],\"options\":[\"--workspace-mode=read-only\",\"--memory=1GiB\"]}\n");
  REQUIRE(tasks.size() == 2);
  CHECK(tasks[0].task.workspace == world.scratch / "a");
  CHECK(tasks[0].memory_bytes == std::uint64_t{640} << 20);
  CHECK(tasks[0].vcpus == 1);
  CHECK_FALSE(tasks[0].read_only);
  CHECK(tasks[1].memory_bytes == std::uint64_t{1} << 30);
  CHECK(tasks[1].read_only);
  CHECK(tasks[1].words[1] == world.scratch / "b");
}

TEST_CASE("a task's option wins in its profile as it does in its words") {
  PreparedWorld world;
  world.common.overrides = {{"--memory", "machine.memory", {"3GiB"}}};
  const auto tasks = world.prepare(
      "{\"workspace\":\"../a\",\"prompt\":\"x\"}\n{\"workspace\":\"../"
      "b\",\"prompt\":\"x\",\"options\":[\"--memory=1GiB\"]}\n");
  CHECK(tasks[0].memory_bytes == std::uint64_t{3} << 30);
  CHECK(tasks[1].memory_bytes == std::uint64_t{1} << 30);
}

TEST_CASE("every task is checked before any of them runs") {
  PreparedWorld world;
  const std::string told = world.refusal(
      "{\"workspace\":\"../none\",\"prompt\":\"x\"}\n"
      "{\"workspace\":\"../a\",\"prompt\":\"x\",\"profile\":\"rsut\"}\n"
      "{\"workspace\":\"../a\",\"prompt\":\"x\",\"options\":[\"--memroy=1GiB\"]}\n"
      "{\"workspace\":\"../a\",\"prompt\":\"x\",\"options\":[\"--memory=lots\"]}\n"
      "{\"workspace\":\"/\",\"prompt\":\"x\"}\n"
      "{\"workspace\":\"../a\"}\n");
  const std::string file = world.scratch / "tasks/t.jsonl";
  CHECK(has(told, file + ":1: workspace: the workspace "));
  CHECK(has(told, file + ":2: profile: "));
  CHECK(has(told, file + ":3: options: run: unknown option '--memroy'; Did you mean '--memory'?"));
  CHECK(has(told, file + ":4: options: "));
  CHECK(has(told, file + ":5: workspace: the workspace / is a system directory"));
  CHECK(has(told, file + ":6: there is neither a prompt nor a command"));
  CHECK(std::count(told.begin(), told.end(), '\n') == 5);
}

TEST_CASE("a mistake that every task shares is told once") {
  PreparedWorld world;
  world.common.overrides = {{"--memory", "machine.memory", {"lots"}}};
  const std::string told =
      world.refusal("{\"workspace\":\"../a\",\"prompt\":\"x\"}\n{\"workspace\":\"../b\",\"prompt\":\"x\"}\n");
  CHECK(has(told, "--memory"));
  CHECK(std::count(told.begin(), told.end(), '\n') == 0);
}

TEST_CASE("no guest writes the tasks or the results of its own map") {
  PreparedWorld world;
  CHECK(has(world.refusal("{\"workspace\":\".\",\"prompt\":\"x\"}\n", "a/t.jsonl"),
            "the tasks file lies in the workspace " + (world.scratch / "a") + ", where its guest can write it"));
  CHECK(has(world.refusal("{\"workspace\":\"../tasks\",\"prompt\":\"x\"}\n", "b/t.jsonl"),
            "the results would lie in the workspace "));
  CHECK(
      world
          .refusal("{\"workspace\":\".\",\"prompt\":\"x\",\"options\":[\"--workspace-mode=read-only\"]}\n", "a/t.jsonl")
          .empty());
}

TEST_CASE("a tasks file that is not there is named") {
  CHECK_THROWS_AS(read_tasks_file("/nonexistent/t.jsonl"), Error);
}

TEST_CASE("directories within each other are the same files") {
  PreparedWorld world;
  const auto id = [&](const char* name) { return WorkspaceId(HeldDirectory::resolve(world.scratch / name)); };
  CHECK(id("a").overlaps(id("a/below")));
  CHECK(id("a/below").overlaps(id("a")));
  CHECK(id("a").holds(id("a/below")));
  CHECK_FALSE(id("a/below").holds(id("a")));
  CHECK_FALSE(id("a").overlaps(id("b")));
  CHECK_FALSE(WorkspaceId().overlaps(id("a")));
}
