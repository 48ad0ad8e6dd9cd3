// results_file_test.cpp - a results file: opened once at a time, read back, repaired, and never another's.
#include "launcher/map/results_file.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.hpp"
#include "base/file.hpp"
#include "tests/unit/has.hpp"
#include "tests/unit/state/scratch.hpp"

using namespace agentvm;
using namespace agentvm::batch;
using agentvm::test::has;
using test::Scratch;

namespace {

struct ResultsWorld {
  Scratch scratch;
  HeldDirectory directory = HeldDirectory::resolve(scratch.path());

  ResultsFile open(bool resume) const { return ResultsFile(directory, "r.jsonl", resume); }
  std::string refusal(bool resume) const {
    try {
      open(resume);
    } catch (const Error& error) {
      return std::string(error.what()) + "|" + error.hint();
    }
    return {};
  }
};

TaskResult result_of(const std::string& id, int exit_code = 0) {
  TaskResult result;
  result.id = id;
  result.digest = "d-" + id;
  result.exit_code = exit_code;
  result.attempts = 1;
  return result;
}

}  // namespace

TEST_CASE("results are there when the file is opened again") {
  const ResultsWorld world;
  {
    ResultsFile file = world.open(false);
    file.append(result_of("a"));
    file.append(result_of("b", 3));
  }
  struct stat info {};
  REQUIRE(stat((world.scratch / "r.jsonl").c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0600);
  const ResultsFile file = world.open(true);
  REQUIRE(file.done().size() == 2);
  CHECK(file.done().at("b").exit_code == 3);
  CHECK(file.done().at("b").line == 2);
  CHECK(file.done().at("a").digest == "d-a");
  CHECK(file.repaired() == 0);
}

TEST_CASE("a half-written line is taken away and the file goes on behind the whole ones") {
  const ResultsWorld world;
  const std::string whole = to_line(result_of("a"));
  for (const std::size_t length : {std::size_t{1}, std::size_t{5}, whole.size() - 1}) {
    world.scratch.write("r.jsonl", whole + to_line(result_of("b")).substr(0, length));
    ResultsFile file = world.open(true);
    CHECK(file.repaired() == length);
    CHECK(file.done().size() == 1);
    file.append(result_of("c"));
    CHECK(read_file(world.scratch / "r.jsonl") == whole + to_line(result_of("c")));
  }
}

TEST_CASE("only a map's own file is shortened") {
  const ResultsWorld world;
  world.scratch.write("r.jsonl", "my notes");
  CHECK(has(world.refusal(true), "r.jsonl:1: the result is not taken"));
  CHECK(read_file(world.scratch / "r.jsonl") == "my notes");
}

TEST_CASE("a file with results is not written to unasked") {
  const ResultsWorld world;
  world.open(false).append(result_of("a"));
  CHECK(has(world.refusal(false), "has results already|--resume does what is left of them"));
  CHECK(world.refusal(true).empty());
}

TEST_CASE("two maps do not share a results file") {
  const ResultsWorld world;
  const ResultsFile first = world.open(false);
  CHECK(has(world.refusal(true), "another agentvm map writes to the results file"));
}

TEST_CASE("a results file is not reached by a link and a wrong line is named") {
  const ResultsWorld world;
  world.scratch.write("other", "");
  REQUIRE(symlink("other", (world.scratch / "r.jsonl").c_str()) == 0);
  CHECK(has(world.refusal(false), "opening the results file"));
  REQUIRE(unlink((world.scratch / "r.jsonl").c_str()) == 0);
  world.scratch.write("r.jsonl", to_line(result_of("a")) + "{}\n" + to_line(result_of("b")));
  CHECK(has(world.refusal(true), "r.jsonl:2: the result is not taken"));
  world.scratch.write("r.jsonl", to_line(result_of("a")) + to_line(result_of("a")));
  CHECK(has(world.refusal(true), "r.jsonl:2: 'a' has its result in line 1 already"));
}

TEST_CASE("a result is never taken for another task's") {
  const ResultsWorld world;
  world.open(false).append(result_of("1"));
  const ResultsFile file = world.open(true);
  Task task;
  task.id = "1";
  task.line = 1;
  task.digest = "d-1";
  CHECK_NOTHROW(check_same_tasks(file, {task}));
  task.digest = "another";
  CHECK_THROWS_AS(check_same_tasks(file, {task}), Error);
}
