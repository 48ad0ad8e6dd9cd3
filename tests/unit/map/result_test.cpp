// result_test.cpp - a result as a line and back, however long its report is.
#include "launcher/map/result.hpp"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "tests/unit/has.hpp"

using namespace agentvm;
using namespace agentvm::batch;
using agentvm::test::has;

namespace {

TaskResult example_result() {
  TaskResult result;
  result.id = "a";
  result.digest = "0123456789abcdef";
  result.exit_code = 7;
  result.ended = "agent ended";
  result.name = "a-2";
  result.host = "node1";
  result.attempts = 2;
  result.started = "2026-01-02T03:04:05.678Z";
  result.total_ms = 4321;
  result.report = R"({"exit_code":7,"files":[]})";
  return result;
}

}  // namespace

TEST_CASE("a result comes back from its line") {
  TaskResult result = example_result();
  result.job = "12_3";
  result.error = "the VM was lost";
  const std::string line = to_line(result);
  CHECK(line.find('\n') == line.size() - 1);
  const TaskResult back = result_from_line(std::string_view(line).substr(0, line.size() - 1));
  CHECK(to_line(back) == line);
  CHECK(back.job == "12_3");
  CHECK(back.error == "the VM was lost");
  CHECK(has(line, R"({"id":"a","exit_code":7,"ended":"agent ended","name":"a-2")"));
}

TEST_CASE("a report that is too long loses its lists") {
  TaskResult result = example_result();
  nlohmann::json report = nlohmann::json::parse(result.report);
  report["mcp_calls"] = nlohmann::json::array({std::string(max_result_bytes, 'x')});
  report["commands"] = nlohmann::json::array({"make"});
  result.report = report.dump();
  const std::string line = to_line(result);
  CHECK(line.size() < 1000);
  CHECK(has(line, R"("cut":true)"));
  CHECK(has(line, R"("commands":["make"])"));
  CHECK_FALSE(has(line, "mcp_calls"));
  result.report = "\"" + std::string(max_result_bytes, 'x') + "\"";
  CHECK(has(to_line(result), R"("report":null)"));
}

TEST_CASE("what is no result says why") {
  for (const char* line : {"", "{}", "[]", R"({"id":1,"task":"x"})", "{\"id\":\"a\",\"id\":\"b\"}"}) {
    CHECK_THROWS_AS(result_from_line(line), Error);
  }
}

TEST_CASE("a time is told in UTC") {
  CHECK(utc_text(1767323045678) == "2026-01-02T03:04:05.678Z");
}
