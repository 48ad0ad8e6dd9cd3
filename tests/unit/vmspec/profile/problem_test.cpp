// problem_test.cpp - mistakes are worded with place, key, rule and next step.
#include "vmspec/profile/problem.hpp"

#include <doctest/doctest.h>

namespace agentvm::vmspec {

TEST_CASE("a problem is one line with file and line and column and key and message and hint") {
  CHECK(
      format(
          {.file = "a.toml", .line = 3, .column = 9, .key = "machine.vcpus", .message = "must be so", .hint = "do"}) ==
      "a.toml:3:9: machine.vcpus: must be so; do");
  CHECK(format({.file = "--memory", .key = "machine.memory", .message = "bad"}) == "--memory: machine.memory: bad");
  CHECK(format({.message = "no QEMU"}) == "no QEMU");
}

TEST_CASE("control characters of a hostile file cannot reach the terminal") {
  CHECK(format({.file = "a\x1b[2J.toml", .message = "x\ny"}) == "a\\x1b[2J.toml: x\\x0ay");
  CHECK(quote_value("a\x07") == "'a\\x07'");
}

TEST_CASE("a long value is cut but never inside a character") {
  const std::string cut = quote_value(std::string(59, 'a') + "\xc3\xa9\xc3\xa9");
  CHECK(cut == "'" + std::string(59, 'a') + "...'");
}

TEST_CASE("the nearest word is found for slips and not for other words") {
  const std::vector<std::string_view> known = {"memory", "vcpus", "disk", "hypervisor"};
  CHECK(nearest("memroy", known) == "memory");
  CHECK(nearest("memoy", known) == "memory");
  CHECK(nearest("vcpu", known) == "vcpus");
  CHECK(nearest("foo", known) == std::nullopt);
  CHECK(nearest("", known) == std::nullopt);
  CHECK(nearest(std::string(100000, 'm'), known) == std::nullopt);
}

TEST_CASE("many problems are one Error whose exit code a usage mistake decides") {
  const std::vector<Problem> missing = {{.message = "a", .code = ExitCode::cannot_start},
                                        {.message = "b", .code = ExitCode::agentvm_failed}};
  CHECK(problems_error(missing).code() == ExitCode::cannot_start);
  CHECK(std::string(problems_error(missing).what()) == "a\nb");
  std::vector<Problem> mixed = missing;
  mixed.push_back({.message = "c"});
  CHECK(problems_error(mixed).code() == ExitCode::usage);
}

}  // namespace agentvm::vmspec
