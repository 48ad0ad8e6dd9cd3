// run_words_test.cpp - a task as a command line of `agentvm run`, with the command line's settings below its own.
#include "launcher/map/run_words.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <variant>

#include "base/error.hpp"
#include "launcher/cli/parse.hpp"
#include "tests/unit/has.hpp"
#include "tests/unit/state/scratch.hpp"

using namespace agentvm;
using namespace agentvm::batch;
using agentvm::test::has;
using Words = std::vector<std::string>;

namespace {

commands::MapOptions parse_map(Words words) {
  words.insert(words.begin(), {"map", "t.jsonl"});
  return std::get<commands::MapOptions>(cli::parse(words).verb);
}

Task task_with(Words options) {
  Task task;
  task.id = "t";
  task.workspace = "w";
  task.prompt = "-do it";
  task.options = std::move(options);
  return task;
}

commands::RunOptions parsed_run(const Task& task, const commands::RunOptions& common) {
  return std::get<commands::RunOptions>(cli::parse(run_words(task, "/w", common)).verb);
}

std::string option_refusal(const Task& task) {
  try {
    parse_options(task);
  } catch (const Error& error) {
    return std::string(error.what()) + "|" + error.hint();
  }
  return {};
}

}  // namespace

TEST_CASE("every setting of map reaches the run as run itself would have parsed it") {
  const test::Variable variable("AGENTVM_TEST_MINE", "my=value");
  const Words settings{"--profile=rust",
                       "--boot-timeout=90s",
                       "--trust-workspace",
                       "--memory=2GiB",
                       "--tool=a",
                       "--tool=b",
                       "--env=A=b",
                       "--env=AGENTVM_TEST_MINE",
                       "--set=agent.env.C=d",
                       "--workspace-mode=read-only",
                       "--publish=127.0.0.1:1:2"};
  const commands::RunOptions common = parse_map(settings).run;
  const commands::RunOptions run = parsed_run(task_with({}), common);
  CHECK(run.profile == "rust");
  CHECK(run.boot_timeout_ms == 90'000);
  CHECK(run.trust_workspace);
  CHECK(run.overrides == common.overrides);
  CHECK(run.workspace == "/w");
  CHECK(run.json);
  CHECK_FALSE(run.command);
  CHECK(run.arguments == Words{"-do it"});
  const Words words = run_words(task_with({}), "/w", common);
  CHECK(std::find(words.begin(), words.end(), "--env=AGENTVM_TEST_MINE") != words.end());
}

TEST_CASE("a task's own option wins over the command line's") {
  const commands::RunOptions common = parse_map({"--memory=2GiB", "--vcpus=2", "--tool=a", "--profile=rust"}).run;
  Task task = task_with({"--memory", "4GiB", "--tool", "b"});
  task.profile = "cpp";
  const commands::RunOptions run = parsed_run(task, common);
  CHECK(run.profile == "cpp");
  std::string told;
  for (const commands::Override& one : run.overrides) {
    told += one.key;
    for (const std::string& value : one.values) told += "=" + value;
    told += " ";
  }
  CHECK(has(told, "machine.memory=4GiB"));
  CHECK_FALSE(has(told, "2GiB"));
  CHECK(has(told, "machine.vcpus=2"));
  CHECK(has(told, "guest.tools.add=a=b"));
}

TEST_CASE("a command is run with its own words") {
  Task task = task_with({});
  task.prompt.clear();
  task.command = {"--", "--json", "a b"};
  const commands::RunOptions run = parsed_run(task, {});
  CHECK(run.command);
  CHECK(run.arguments == task.command);
}

TEST_CASE("options that are map's own business are refused") {
  CHECK(option_refusal(task_with({"--memory", "1GiB"})).empty());
  CHECK(
      has(option_refusal(task_with({"--memroy", "1GiB"})), "run: unknown option '--memroy'|Did you mean '--memory'?"));
  CHECK(has(option_refusal(task_with({"--memory"})), "--memory"));
  for (const char* option : {"--detach", "-d", "--keep", "--dry-run", "--json", "--tty", "--help"}) {
    CHECK(has(option_refusal(task_with({option})), "is no option of a task|"));
  }
  CHECK(has(option_refusal(task_with({"-p", "x"})), "--prompt is no option of a task|Use the task's \"prompt\"."));
  CHECK(has(option_refusal(task_with({"elsewhere"})), "a second directory is no option of a task"));
  Task task = task_with({"--profile=a"});
  task.profile = "b";
  CHECK(has(option_refusal(task), "--profile is no option of a task"));
}
