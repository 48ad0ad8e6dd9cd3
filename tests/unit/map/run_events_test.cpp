// run_events_test.cpp - what the events and the exit code of a run come to.
#include "launcher/map/run_events.hpp"

#include <doctest/doctest.h>
#include <signal.h>

#include "tests/unit/has.hpp"

using namespace agentvm;
using namespace agentvm::batch;
using agentvm::test::has;

namespace {

const char* const run_line = R"({"event":"run","name":"ws-2","uuid":"u"})";
const char* const ended_line = R"({"event":"agent-ended","exit_code":125,"timed_out":false})";
const char* const failed_line =
    R"({"event":"failed","message":"the guest crashed\u001b[2J","hint":"h","exit_code":125})";

std::string stopped_line(const std::string& ended) {
  return R"({"event":"stopped","report":{"name":"ws-2","exit_code":0,"ended":")" + ended + R"("}})";
}

}  // namespace

TEST_CASE("an agent's own code is its own whatever it is") {
  RunEvents events;
  events.line(run_line);
  events.line(R"({"event":"output","stream":"stdout","data":"{\"event\":\"failed\"}"})");
  events.line(ended_line);
  events.line(stopped_line("agent ended"));
  const Attempt attempt = events.outcome({125, 0});
  CHECK(attempt.name == "ws-2");
  CHECK(attempt.exit_code == 125);
  CHECK(attempt.ended == "agent ended");
  CHECK_FALSE(attempt.lost);
  CHECK(attempt.error.empty());
  CHECK(has(attempt.report, R"("exit_code":125)"));
}

TEST_CASE("a VM that was lost is a lost attempt with its reason") {
  RunEvents events;
  events.line(run_line);
  events.line(failed_line);
  events.line(stopped_line("the guest crashed"));
  const Attempt attempt = events.outcome({125, 0});
  CHECK(attempt.lost);
  CHECK(attempt.ended == "the guest crashed");
  CHECK(has(attempt.error, "the guest crashed"));
  CHECK_FALSE(has(attempt.error, "\x1b"));
}

TEST_CASE("a run that never began says so with its last words") {
  RunEvents events;
  events.words("agentvm: warning: something\nagentvm: error: there is no QEMU\n  Install it.\n");
  const Attempt attempt = events.outcome({125, 0});
  CHECK(attempt.lost);
  CHECK(attempt.ended == "failed");
  CHECK(has(attempt.error, "there is no QEMU"));
  CHECK_FALSE(has(attempt.error, "warning"));
  CHECK(attempt.report == "null");
}

TEST_CASE("a killed run is lost and wrong usage or a time-out is not") {
  CHECK(RunEvents().outcome({0, SIGKILL}).lost);
  CHECK(RunEvents().outcome({0, SIGKILL}).exit_code == 137);
  CHECK(RunEvents().outcome({0, SIGKILL}).ended == "killed");
  CHECK(has(RunEvents().outcome({0, SIGKILL}).error, "signal 9"));
  CHECK(RunEvents().outcome({126, 0}).lost);
  CHECK_FALSE(RunEvents().outcome({2, 0}).lost);
  CHECK_FALSE(RunEvents().outcome({124, 0}).lost);
  CHECK_FALSE(RunEvents().outcome({0, 0}).lost);
  RunEvents destroyed;
  destroyed.line(stopped_line("stopped"));
  CHECK_FALSE(destroyed.outcome({125, 0}).lost);
}

TEST_CASE("an interruption counts unless the agent had ended before") {
  RunEvents early;
  early.interrupt();
  CHECK(early.outcome({143, 0}).interrupted);
  RunEvents late;
  late.line(ended_line);
  late.interrupt();
  CHECK_FALSE(late.outcome({0, 0}).interrupted);
}

TEST_CASE("lines that are no events change nothing") {
  RunEvents events;
  for (const char* line : {"", "text", "[]", "{}", R"({"event":"stopped"})", R"({"event":"stopped","report":[]})"}) {
    events.line(line);
  }
  CHECK(events.outcome({0, 0}).report == "null");
}
