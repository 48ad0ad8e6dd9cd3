// tasks_file_test.cpp - a tasks file as tasks, and every mistake in it at its line.
#include "launcher/map/tasks_file.hpp"

#include <doctest/doctest.h>

#include "tests/unit/has.hpp"

using namespace agentvm;
using namespace agentvm::batch;
using agentvm::test::has;

namespace {

std::string problems_of(const std::string& text) {
  const Tasks read = parse_tasks(text, "t.jsonl");
  std::string all;
  for (const vmspec::Problem& problem : read.problems) all += vmspec::format(problem) + "\n";
  return all;
}

}  // namespace

TEST_CASE("a task has its line's number for a name and keeps what it says") {
  const Tasks read = parse_tasks(
      "\n{\"workspace\":\"a\",\"prompt\":\"do it\"}\r\n  \n"
      R"({"id":"x.1","workspace":"/b","command":["make","test"],"profile":"cpp","options":["--memory","2GiB"]})",
      "t.jsonl");
  REQUIRE(read.problems.empty());
  REQUIRE(read.tasks.size() == 2);
  CHECK(read.tasks[0].id == "2");
  CHECK(read.tasks[0].line == 2);
  CHECK(read.tasks[0].prompt == "do it");
  CHECK(read.tasks[0].command.empty());
  CHECK(read.tasks[1].id == "x.1");
  CHECK(read.tasks[1].command == std::vector<std::string>{"make", "test"});
  CHECK(read.tasks[1].profile == "cpp");
  CHECK(read.tasks[1].options == std::vector<std::string>{"--memory", "2GiB"});
}

TEST_CASE("a task's line is parsed as the same task again") {
  const std::string text =
      R"({"id":"x","workspace":"/b","command":["a","b c"],"profile":"cpp","options":["--vcpus=1"]})";
  const Tasks read = parse_tasks(text, "t.jsonl");
  REQUIRE(read.tasks.size() == 1);
  CHECK(parse_tasks(to_line(read.tasks[0]), "other").tasks == read.tasks);
}

TEST_CASE("a digest is of what a line says and not of its name") {
  const auto digest = [](const std::string& line) { return parse_tasks(line, "t").tasks.at(0).digest; };
  const std::string one = digest(R"({"workspace":"a","prompt":"x"})");
  CHECK(one.size() == 16);
  CHECK(one == digest(R"({ "prompt": "x", "workspace": "a", "id": "name" })"));
  CHECK(one != digest(R"({"workspace":"a","prompt":"y"})"));
  CHECK(one != digest(R"({"workspace":"b","prompt":"x"})"));
}

TEST_CASE("every mistake of a tasks file is told at once with its line") {
  const std::string told = problems_of(
      "no json\n"
      "[1]\n"
      R"({"workspace":"a","prompt":"x","promt":"y"})"
      "\n"
      R"({"prompt":"x"})"
      "\n"
      R"({"workspace":"a"})"
      "\n"
      R"({"workspace":"a","prompt":"x","command":["y"]})"
      "\n"
      R"({"workspace":7,"command":"make","id":"../up"})"
      "\n"
      R"({"workspace":"a","workspace":"b","prompt":"x"})"
      "\n"
      R"({"workspace":"a","command":[],"options":["--","x"]})"
      "\n"
      R"({"workspace":"a","prompt":"a\u0000b"})");
  CHECK(has(told, "t.jsonl:1: this line is no task: no valid JSON at byte"));
  CHECK(has(told, "t.jsonl:2: this line is no task: it is no JSON object; A task is {\"workspace\""));
  CHECK(has(told, "t.jsonl:3: unknown key 'promt'; did you mean 'prompt'?"));
  CHECK(has(told, "t.jsonl:4: workspace: is missing"));
  CHECK(has(told, "t.jsonl:5: there is neither a prompt nor a command"));
  CHECK(has(told, "t.jsonl:6: command: there is a prompt too"));
  CHECK(has(told, "t.jsonl:7: id: '../up' is no name of a task; It begins with a letter or a digit"));
  CHECK(has(told, "t.jsonl:7: workspace: must be a string, not '7'"));
  CHECK(has(told, "t.jsonl:7: command: must be an array of strings, not '\"make\"'"));
  CHECK(has(told, "t.jsonl:8: this line is no task: duplicate key \"workspace\""));
  CHECK(has(told, "t.jsonl:9: command: has no program"));
  CHECK(has(told, "t.jsonl:9: options: may not hold '--'"));
  CHECK(has(told, "t.jsonl:10: prompt: holds a NUL character"));
}

TEST_CASE("names are given once and numbers of lines are names") {
  const std::string told =
      problems_of("{\"workspace\":\"a\",\"prompt\":\"x\"}\n{\"id\":\"1\",\"workspace\":\"a\",\"prompt\":\"x\"}\n");
  CHECK(has(told, "t.jsonl:2: id: '1' is the name of line 1 already"));
}

TEST_CASE("a tasks file has limits") {
  CHECK(has(problems_of(""), "t.jsonl: there is no task in it"));
  CHECK(has(problems_of("{\"workspace\":\"a\",\"prompt\":\"" + std::string(max_words_bytes + 1, 'x') + "\"}"),
            "prompt: is 65537 bytes long, and at most 65536 are taken"));
  CHECK(has(problems_of("{\"workspace\":\"a\",\"prompt\":\"" + std::string(max_task_bytes, 'x') + "\"}"),
            "this line is no task: more than 262144 bytes"));
  CHECK(has(problems_of(R"({"workspace":"a","prompt":[[[[]]]]})"), "levels deep"));
  std::string many;
  for (std::size_t i = 0; i <= max_tasks; ++i) many += "{\"workspace\":\"a\",\"prompt\":\"x\"}\n";
  const Tasks read = parse_tasks(many, "t.jsonl");
  CHECK(read.tasks.size() == max_tasks);
  REQUIRE(read.problems.size() == 1);
  CHECK(has(vmspec::format(read.problems[0]), "t.jsonl:10001: this is one task more than the 10000 that are taken"));
}
