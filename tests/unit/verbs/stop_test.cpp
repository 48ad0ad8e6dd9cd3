// stop_test.cpp - agentvm stop against a supervisor that plays the end.
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "launcher/report/report.hpp"
#include "launcher/verbs/verbs.hpp"
#include "tests/unit/client/fake_supervisor.hpp"
#include "tests/unit/has.hpp"
#include "tests/unit/terminal/captured_streams.hpp"

using namespace agentvm;
using agentvm::test::has;
using test::CapturedStreams;
using test::FakeSupervisor;
using test::Scratch;
namespace asio = boost::asio;

TEST_CASE("stop sends its deadline and prints the report") {
  const Scratch scratch;
  const state::VmPaths paths = state::vm_paths(scratch.roots(), "vm");
  make_directories(paths.runtime_dir);
  make_directories(paths.state_dir);
  supervisor::Report report;
  report.name = "vm";
  report.ended = "stopped";
  const std::string answer = supervisor::to_json(report).dump();
  FakeSupervisor fake(paths.supervisor_socket(),
                      [answer](FakeSupervisor& me, link::StreamPtr stream) -> asio::awaitable<void> {
                        me.note(co_await stream->read_all(4096));
                        stream->respond(200);
                        co_await stream->write(answer);
                      });
  commands::Context context;
  context.roots = scratch.roots();
  CapturedStreams streams;
  const int code = commands::stop({.name = "vm", .deadline_seconds = 3}, context);
  streams.restore();
  CHECK(code == 0);
  const auto asked = fake.asked();
  REQUIRE(asked.size() == 2);
  CHECK(asked[0] == "POST /stop");
  CHECK(nlohmann::json::parse(asked[1]) == nlohmann::json{{"deadline_ms", 3000}, {"force", false}});
  CHECK(has(streams.err(), "vm: stopped"));
}
