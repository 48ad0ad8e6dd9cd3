// follow_test.cpp - the caller's side of a run against a supervisor that plays each ending.
#include "launcher/run/follow.hpp"

#include <doctest/doctest.h>
#include <signal.h>

#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "launcher/report/report.hpp"
#include "tests/unit/client/fake_supervisor.hpp"
#include "tests/unit/has.hpp"
#include "tests/unit/terminal/captured_streams.hpp"

using namespace agentvm;
using namespace std::chrono_literals;
using agentvm::test::has;
using test::CapturedStreams;
using test::FakeSupervisor;
using test::Scratch;
namespace asio = boost::asio;

namespace {

/// What one played run does; the rest is as a supervisor does it.
struct Play {
  std::string out = "out\n", err = "err\n";
  int exit_code = 0;
  bool fails = false;           ///< before it is ready
  bool vanishes = false;        ///< when the agent runs
  bool echoes_stdin = false;    ///< the agent's output is its stdin
  bool waits_for_stop = false;  ///< the agent ends with POST /stop only
};

/// State of a playing supervisor, on its own thread.
struct Stage {
  explicit Stage(const asio::any_io_executor& executor) : changed(executor) {}
  AsyncEvent changed;
  bool started = false, agent_ended = false, gone = false, signalled = false, stopped = false;
  int outputs_read = 0;
  std::string stdin_text;
  bool stdin_done = false;
};

nlohmann::json report_of(const Play& play) {
  supervisor::Report report;
  report.name = "app";
  report.exit_code = play.exit_code;
  report.ended = "agent ended";
  report.total_ms = 1000;
  return supervisor::to_json(report);
}

// JSON is put together outside of coroutines: GCC 12 cannot keep initializer lists in a coroutine's frame.
std::string line_of(const nlohmann::json& document) {
  return document.dump() + "\n";
}
std::string step_event() {
  return line_of({{"event", "step"}, {"step", "vmm"}, {"text", "starting QEMU"}});
}
std::string ready_event() {
  return line_of({{"event", "ready"}, {"boot_ms", 10}});
}
std::string started_event() {
  return line_of({{"event", "agent-started"}, {"started_ms", 11}});
}
std::string failed_event() {
  return line_of({{"event", "failed"},
                  {"message", "the guest did not boot"},
                  {"hint", "Look at the console."},
                  {"exit_code", 125},
                  {"console", "Kernel panic\n"}});
}
std::string ended_event(const Play& play) {
  return line_of({{"event", "agent-ended"}, {"exit_code", play.exit_code}});
}
std::string stopped_event(const Play& play) {
  return line_of({{"event", "stopped"}, {"report", report_of(play)}});
}
link::Fields exit_code_field(const Play& play) {
  return {{"exit-code", std::to_string(play.exit_code)}};
}

asio::awaitable<void> play_events(const Play& play, std::shared_ptr<Stage> stage, FakeSupervisor& me,
                                  link::StreamPtr stream) {
  co_await stream->write(step_event());
  if (play.fails) {
    co_await stream->write(failed_event());
    stage->gone = true;
    stage->changed.notify();
    co_return;
  }
  co_await stream->write(ready_event());
  while (!stage->started) co_await stage->changed.wait();
  co_await stream->write(started_event());
  if (play.vanishes) {
    me.vanish();
    co_return;
  }
  while (!stage->agent_ended && !stage->stopped) co_await stage->changed.wait();
  co_await stream->write(ended_event(play));
  stage->gone = true;
  stage->changed.notify();
  co_await stream->write(stopped_event(play));
}

asio::awaitable<void> play_output(const Play& play, std::shared_ptr<Stage> stage, link::StreamPtr stream, bool error) {
  stream->respond(200);
  if (error) {
    co_await stream->write(play.err);
  } else if (play.echoes_stdin) {
    while (!stage->stdin_done) co_await stage->changed.wait();
    co_await stream->write(stage->stdin_text);
  } else {
    co_await stream->write(play.out);
  }
  while (play.waits_for_stop && !stage->signalled) co_await stage->changed.wait();
  stream->finish(exit_code_field(play));
  if (++stage->outputs_read == 2) {
    stage->agent_ended = true;
    stage->changed.notify();
  }
}

FakeSupervisor::Answer player(Play play) {
  auto stage = std::make_shared<std::shared_ptr<Stage>>();
  return [play, stage](FakeSupervisor& me, link::StreamPtr stream) -> asio::awaitable<void> {
    if (!*stage) *stage = std::make_shared<Stage>(me.io().get_executor());
    const std::shared_ptr<Stage> now = *stage;
    const std::string path(stream->path());
    if (path == "/events") {
      stream->respond(200);
      co_await play_events(play, now, me, stream);
    } else if (path == "/own") {
      stream->respond(200);
      while (!now->gone) co_await now->changed.wait();
      co_await stream->write(report_of(play).dump());
    } else if (path == "/agent/start") {
      me.note("body " + co_await stream->read_all(4096));
      now->started = true;
      now->changed.notify();
    } else if (path == "/agent/stdout" || path == "/agent/stderr") {
      co_await play_output(play, now, stream, path == "/agent/stderr");
    } else if (path == "/agent/stdin") {
      now->stdin_text = co_await stream->read_all(64 << 20);
      now->stdin_done = true;
      now->changed.notify();
    } else if (path == "/agent/signal") {
      me.note("body " + co_await stream->read_all(4096));
      now->signalled = true;
      now->changed.notify();
    } else if (path == "/stop") {
      now->signalled = true;
      now->stopped = true;
      now->changed.notify();
      stream->respond(200);
    }
  };
}

struct FollowedWorld {
  Scratch scratch;
  commands::Context context;
  std::unique_ptr<FakeSupervisor> supervisor;

  commands::StartedVm start(Play play, bool stdin_null = true) {
    commands::StartedVm vm;
    vm.paths = state::vm_paths(scratch.roots(), "app");
    vm.spec.name = "app";
    vm.spec.agent.stdin_null = stdin_null;
    context.roots = scratch.roots();
    auto [ours, theirs] = socket_pair();
    supervisor = std::make_unique<FakeSupervisor>(std::move(theirs), player(play));
    vm.connection = std::move(ours);
    return vm;
  }
};

}  // namespace

TEST_CASE("the agent's output goes to the right streams and nothing else to stdout and its exit code is ours") {
  FollowedWorld world;
  CapturedStreams streams;
  auto vm = world.start({.exit_code = 7});
  const int code = commands::follow_run(std::move(vm), {}, world.context);
  streams.restore();
  CHECK(code == 7);
  CHECK(streams.out() == "out\n");
  CHECK(has(streams.err(), "err\n"));
  CHECK(has(streams.err(), "starting QEMU"));
  CHECK(has(streams.err(), "agent ended, exit code 7"));
  CHECK(world.supervisor->was_asked("POST /own"));
  CHECK(world.supervisor->was_asked("body {\"rows\":24,\"columns\":80}"));
  CHECK_FALSE(world.supervisor->was_asked("POST /agent/stdin"));
}

TEST_CASE("stdin is passed on to its end") {
  FollowedWorld world;
  std::string text(3'000'000, 'x');
  for (std::size_t i = 0; i < text.size(); i += 997) text[i] = static_cast<char>('a' + i % 26);
  CapturedStreams streams(text);
  auto vm = world.start({.err = "", .echoes_stdin = true}, false);
  const int code = commands::follow_run(std::move(vm), {}, world.context);
  streams.restore();
  CHECK(code == 0);
  CHECK(streams.out() == text);
}

TEST_CASE("as JSON the events and output are lines on stdout and stderr is quiet") {
  FollowedWorld world;
  CapturedStreams streams;
  auto vm = world.start({.out = "a\xff\n", .exit_code = 3});
  const int code = commands::follow_run(std::move(vm), {.json = true}, world.context);
  streams.restore();
  CHECK(code == 3);
  CHECK(streams.err() == "");
  std::vector<std::string> names;
  std::istringstream lines(streams.out());
  std::string output;
  for (std::string line; std::getline(lines, line);) {
    const auto document = nlohmann::json::parse(line);
    names.push_back(document.at("event"));
    if (names.back() == "output" && document.at("stream") == "stdout") output += document.at("data").get<std::string>();
  }
  CHECK(output == "a\xef\xbf\xbd\n");
  REQUIRE(names.size() >= 7);
  CHECK(names[0] == "run");
  CHECK(names[1] == "step");
  CHECK(names.back() == "stopped");
}

TEST_CASE("a detached run returns its name when the agent has started") {
  FollowedWorld world;
  CapturedStreams streams;
  auto vm = world.start({});
  vm.spec.detached = true;
  int code = -1;
  {
    // Its agent starts by itself; the player's waits for somebody to ask.
    auto [ours, theirs] = socket_pair();
    world.supervisor = std::make_unique<FakeSupervisor>(
        std::move(theirs), [](FakeSupervisor&, link::StreamPtr stream) -> asio::awaitable<void> {
          stream->respond(200);
          co_await stream->write(ready_event());
          co_await stream->write(started_event());
          co_await stream->closed();
        });
    vm.connection = std::move(ours);
    code = commands::follow_run(std::move(vm), {.detach = true}, world.context);
  }
  streams.restore();
  CHECK(code == 0);
  CHECK(streams.out() == "app\n");
  CHECK_FALSE(world.supervisor->was_asked("POST /own"));
}

TEST_CASE("a failed run is an error with its hint and its code and the console's end") {
  FollowedWorld world;
  CapturedStreams streams;
  std::optional<Error> failure;
  try {
    commands::follow_run(world.start({.fails = true}), {}, world.context);
  } catch (const Error& error) {
    failure = error;
  }
  streams.restore();
  REQUIRE(failure);
  CHECK(std::string(failure->what()) == "the guest did not boot");
  CHECK(failure->hint() == "Look at the console.");
  CHECK(failure->code() == ExitCode::agentvm_failed);
  CHECK(has(streams.err(), "Kernel panic"));
  CHECK(streams.out() == "");
}

TEST_CASE("a supervisor that vanishes is one message with its last words and what it left is swept") {
  FollowedWorld world;
  auto vm = world.start({.vanishes = true});
  world.scratch.write("state/agentvm/vms/app/supervisor.log", "first\nthe last words\n");
  const std::string state_dir = vm.paths.state_dir;
  CapturedStreams streams;
  std::optional<Error> failure;
  try {
    commands::follow_run(std::move(vm), {}, world.context);
  } catch (const Error& error) {
    failure = error;
  }
  streams.restore();
  REQUIRE(failure);
  CHECK(has(failure->what(), "died"));
  CHECK(failure->code() == ExitCode::agentvm_failed);
  CHECK(has(streams.err(), "the last words"));
  CHECK_FALSE(test::exists(state_dir));
}

TEST_CASE("the first SIGTERM goes to the agent") {
  FollowedWorld world;
  CapturedStreams streams;
  auto vm = world.start({.exit_code = 143, .waits_for_stop = true});
  FakeSupervisor& supervisor = *world.supervisor;
  std::thread killer([&] {
    const auto limit = std::chrono::steady_clock::now() + 10s;
    while (!supervisor.was_asked("POST /agent/start") && std::chrono::steady_clock::now() < limit) {
      std::this_thread::sleep_for(5ms);
    }
    std::this_thread::sleep_for(200ms);  // until the agent-started event has been read
    kill(getpid(), SIGTERM);
  });
  const int code = commands::follow_run(std::move(vm), {}, world.context);
  killer.join();
  streams.restore();
  CHECK(code == 143);
  CHECK(supervisor.was_asked("body {\"signal\":15}"));
  CHECK_FALSE(supervisor.was_asked("POST /stop"));
}
