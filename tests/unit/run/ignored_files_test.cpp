// ignored_files_test.cpp - gitignore(5) as Git has it, and what an agent cannot hide with it.
#include "launcher/run/ignored_files.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include "base/process.hpp"
#include "tests/unit/state/scratch.hpp"

using namespace agentvm;
using commands::IgnorePatterns;
using test::Scratch;

namespace {

bool ignores(const std::string& patterns, const std::string& path, bool directory = false) {
  std::size_t steps = 100'000;
  return IgnorePatterns(patterns).match(path, directory, steps) == IgnorePatterns::Verdict::ignored;
}

supervisor::Report report_of(const std::vector<std::string>& paths) {
  supervisor::Report report;
  for (const std::string& path : paths) report.files.push_back({path, 'A', 1, 0});
  return report;
}

void git(const Scratch& scratch, std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), {"-C", scratch / "w", "-c", "init.defaultBranch=main"});
  REQUIRE(run_captured({.program = "git", .args = arguments}, std::chrono::seconds(10)).status.shell_code() == 0);
}

}  // namespace

TEST_CASE("patterns mean what they mean to Git") {
  CHECK(ignores("*.pyc\n", "a/b/x.pyc"));
  CHECK_FALSE(ignores("*.pyc\n", "x.py"));
  CHECK(ignores("target/\n", "a/target", true));
  CHECK_FALSE(ignores("target/\n", "target"));
  CHECK(ignores("/build\n", "build"));
  CHECK_FALSE(ignores("/build\n", "a/build"));
  CHECK(ignores("doc/*.txt\n", "doc/a.txt"));
  CHECK_FALSE(ignores("doc/*.txt\n", "doc/b/a.txt"));
  CHECK(ignores("**/logs/**\n", "a/b/logs/x/y"));
  CHECK(ignores("a/**/z\n", "a/z"));
  CHECK(ignores("a/**/z\n", "a/b/c/z"));
  CHECK(ignores("[a-c]?.o\n", "bx.o"));
  CHECK_FALSE(ignores("[!a-c]?.o\n", "bx.o"));
  CHECK(ignores("\\#x\n", "#x"));
  CHECK_FALSE(ignores("# *\n\n!*.c\n", "a.c"));
  CHECK_FALSE(ignores("*.log\n!keep.log\n", "keep.log"));
  CHECK(ignores("trailing   \r\n", "trailing"));
}

TEST_CASE("patterns that cannot end match nothing") {
  std::size_t steps = 100'000;
  std::string glob;
  for (int i = 0; i < 60; ++i) glob += "*a";
  CHECK(IgnorePatterns(glob + "b\n").match(std::string(250, 'a'), false, steps) == IgnorePatterns::Verdict::none);
  CHECK(steps == 0);
}

TEST_CASE("files that Git ignores without what it tracks and what the run itself chose to ignore") {
  if (!find_program("git")) {
    MESSAGE("skipped: no git");
    return;
  }
  const Scratch scratch;
  scratch.write("w/.gitignore", ".venv/\n*.log\n");
  scratch.write("w/kept.log", "tracked");
  scratch.write("w/sub/.gitignore", "*\n");
  scratch.write("outside", "*\n");
  scratch.directory("w/link");
  REQUIRE(symlink((scratch / "outside").c_str(), (scratch / "w/link/.gitignore").c_str()) == 0);
  const auto report = report_of(
      {".venv/lib/a.py", "a.log", "kept.log", "link/x", "main.py", "sub/.gitignore", "sub/evil", "sub/.venv/b"});
  CHECK(commands::ignored_files(scratch / "w", report).empty());
  git(scratch, {"init", "-q"});
  git(scratch, {"add", "-f", "kept.log"});
  CHECK(commands::ignored_files(scratch / "w", report) == std::set<std::size_t>{0, 1, 7});
}
