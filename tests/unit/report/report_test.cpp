// report_test.cpp - a report survives its way through JSON.
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "launcher/report/report.hpp"

using namespace agentvm;
using supervisor::Report;

TEST_SUITE("supervisor/report") {
  TEST_CASE("round trip") {
    Report report;
    report.name = "my-app";
    report.exit_code = 7;
    report.ended = "agent ended";
    report.ready_ms = 3100;
    report.files = {{"a.txt", 'M', 3, 1}, {"b.bin", 'A', -1, -1}};
    report.commands = {"make test"};
    report.mcp_calls_json = R"([{"server":"nixos"}])";
    const Report back = supervisor::report_from_json(supervisor::to_json(report));
    CHECK(back.exit_code == 7);
    REQUIRE(back.files.size() == 2);
    CHECK(back.files[0].added == 3);
    CHECK(back.files[1].kind == 'A');
    CHECK(back.files[1].added == -1);
    CHECK(back.commands == report.commands);
    CHECK(back.mcp_calls_json == report.mcp_calls_json);
  }

  TEST_CASE("what is no report is said to be none") {
    CHECK_THROWS_AS(supervisor::report_from_json(nlohmann::json::object()), Error);
  }
}
