// supervisor_test.cpp - a supervisor's life on a made-up machine: every state against every event, in milliseconds.
#include "launcher/supervisor/supervisor.hpp"

#include <doctest/doctest.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/file.hpp"
#include "base/unix_socket.hpp"
#include "tests/fakes/fake_clock.hpp"
#include "tests/fakes/fake_parts.hpp"

namespace agentvm::supervisor {

namespace asio = boost::asio;
using namespace std::chrono_literals;

namespace {

/// A directory of the test, gone at its end.
struct Scratch {
  std::string path = "/tmp/agentvm-supervisor-XXXXXX";
  Scratch() { REQUIRE(mkdtemp(path.data()) != nullptr); }
  ~Scratch() { remove_tree(path); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
};

/// A supervisor, its machine's fakes, and a caller's connection. Time stands still unless a test moves it.
struct World {
  Scratch scratch;
  asio::io_context io{1};
  FakeClock clock{io.get_executor()};
  test::FakeHost host{io.get_executor()};
  test::FakeParts parts{host};
  SupervisorOptions options;
  std::optional<state::Record> record;
  UniqueFd guard_ours, guard_theirs;
  std::optional<Supervisor> supervisor;
  link::SessionPtr caller;
  std::optional<int> code;  ///< of the supervisor, once it has ended
  std::string died;         ///< of an exception
  std::vector<nlohmann::json> events;
  std::string events_text;
  std::string output;
  bool own_ended = false, output_ended = false, read_output = true;

  explicit World(const std::function<void(vmspec::VmSpec&)>& change = {}) {
    vmspec::VmSpec& spec = options.spec;
    spec.name = "fake";
    spec.uuid = "6f7c1c46-9be1-4b0a-b0a6-26c4ef5a3f41";
    spec.boot_timeout_ms = 60'000;
    spec.workspace = scratch.path + "/work";
    spec.shares = {{vmspec::workspace_tag, spec.workspace, "/workspace", false, vmspec::ShareOwner::caller}};
    spec.agent.kind = "command";
    spec.agent.argv = {"/bin/true"};
    if (change) change(spec);
    for (const char* name : {"/work", "/state", "/run", "/cache"})
      REQUIRE(mkdir((scratch.path + name).c_str(), 0700) == 0);
    options.directories.push_back(HeldDirectory::resolve(spec.workspace));
    options.roots = {scratch.path + "/run", scratch.path + "/state", scratch.path + "/cache"};
    options.paths = state::vm_paths(options.roots, spec.name);
    make_directories(options.paths.state_dir);
    make_directories(options.paths.runtime_dir);
    auto [ours, theirs] = socket_pair();
    options.owner = std::move(theirs);
    caller = link::Session::create(io.get_executor(), std::move(ours), link::Role::client);
    record.emplace(options.paths, spec.name, spec.uuid);
    std::tie(guard_ours, guard_theirs) = socket_pair();
    supervisor.emplace(io.get_executor(), options, *record, parts, clock, guard_ours.get());
  }
  ~World() {
    if (!code && died.empty()) stop();
    for (int round = 0; round < 20 && !code; ++round) advance(1s);
    settle([this] { return code.has_value() || !died.empty(); });
    CHECK(code);
    CHECK(died.empty());
    CHECK(host.nothing_left());
    if (!options.spec.keep) CHECK(access(options.paths.state_dir.c_str(), F_OK) != 0);
    CHECK(access(options.paths.runtime_dir.c_str(), F_OK) != 0);
    host.guest.leave();
    hang_up();
    turn();
  }
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  static void make_directories(const std::string& path) {
    for (std::size_t at = path.find('/', 1); at != std::string::npos; at = path.find('/', at + 1)) {
      mkdir(path.substr(0, at).c_str(), 0700);
    }
    mkdir(path.c_str(), 0700);
  }

  /// Everything that is ready, until nothing has been for some milliseconds; a moment at most.
  void turn() {
    const auto limit = std::chrono::steady_clock::now() + 100ms;
    for (int idle = 0; idle < 3 && std::chrono::steady_clock::now() < limit;) {
      io.restart();
      idle = io.run_for(3ms) == 0 ? idle + 1 : 0;
    }
  }
  /// Turns until the condition holds: for what the worker thread has a part in.
  void settle(const std::function<bool()>& condition) {
    const auto limit = std::chrono::steady_clock::now() + 10s;
    while (!condition() && std::chrono::steady_clock::now() < limit) turn();
  }
  void advance(std::chrono::milliseconds time) {
    clock.advance(time);
    turn();
  }
  void spawn(asio::awaitable<void> task) {
    asio::co_spawn(io, std::move(task), [](const std::exception_ptr&) {});
  }

  void live() {
    asio::co_spawn(io, supervisor->live(), [this](const std::exception_ptr& error, int value) {
      try {
        if (error) std::rethrow_exception(error);
        code = value;
      } catch (const std::exception& failure) {
        died = failure.what();
      }
    });
    spawn(run_caller());
    spawn(follow_events());
    turn();
  }
  asio::awaitable<void> run_caller() {
    const auto session = caller;
    auto run = session->run();
    co_await std::move(run);
  }
  asio::awaitable<void> follow_events() {
    const auto stream = caller->open("GET", "/events", {}, true);
    for (;;) {
      const std::string bytes = co_await stream->read();
      if (bytes.empty()) break;
      events_text += bytes;
      for (std::size_t end = events_text.find('\n'); end != std::string::npos; end = events_text.find('\n')) {
        events.push_back(nlohmann::json::parse(events_text.substr(0, end)));
        events_text.erase(0, end + 1);
      }
    }
  }
  asio::awaitable<void> hold_own() {
    const auto stream = caller->open("POST", "/own");
    co_await stream->read_all(1 << 20);
    own_ended = true;
  }
  asio::awaitable<void> follow_output() {
    const auto stream = caller->open("GET", "/agent/stdout", {}, true);
    for (;;) {
      while (!read_output) co_await sleep_for(1ms);
      const std::string bytes = co_await stream->read();
      if (bytes.empty()) break;
      output += bytes;
    }
    output_ended = true;
  }
  asio::awaitable<void> post(std::string path, std::string body) {
    const auto session = caller;
    auto asked = link::request(*session, "POST", std::move(path), std::move(body));
    co_await std::move(asked);
  }
  void own() {
    spawn(hold_own());
    turn();
  }
  /// As `agentvm run` does: listens, then asks for the start.
  void attach() {
    spawn(hold_own());
    spawn(follow_output());
    spawn(post("/agent/start", "{}"));
    turn();
  }
  void stop(const std::string& body = "{}") {
    if (!caller) return;
    spawn(post("/stop", body));
    turn();
  }
  void hang_up() {
    if (caller) caller->close();
    caller.reset();
  }

  std::optional<nlohmann::json> event(const std::string& name) const {
    for (const auto& one : events) {
      if (one.at("event") == name) return one;
    }
    return std::nullopt;
  }
  nlohmann::json report() const {
    const auto stopped = event("stopped");
    return stopped ? stopped->at("report") : nlohmann::json();
  }
  void reach_running() {
    live();
    attach();
    settle([this] { return event("agent-started").has_value(); });
    REQUIRE(event("agent-started"));
  }
  void finish() {
    settle([this] { return code.has_value() && !report().is_null(); });
  }
};

/// A phase of a life, and how a test gets there.
struct Phase {
  const char* name;
  void (*reach)(World&);
};
const Phase phases[] = {
    {"starting the VMM",
     [](World& world) {
       world.host.boots = false;
       world.live();
       world.own();
     }},
    {"booting the guest",
     [](World& world) {
       world.host.guest_comes = false;
       world.host.waits_for_guest = true;
       world.live();
       world.own();
     }},
    {"setting up",
     [](World& world) {
       world.host.guest.answers_setup = false;
       world.live();
       world.own();
     }},
    {"ready",
     [](World& world) {
       world.live();
       world.own();
       world.settle([&] { return world.event("ready").has_value(); });
       REQUIRE(world.event("ready"));
     }},
    {"starting the agent",
     [](World& world) {
       world.host.guest.starts_processes = false;
       world.live();
       world.attach();
     }},
    {"running", [](World& world) { world.reach_running(); }},
};

struct Event {
  const char* name;
  void (*happen)(World&);
  int code;            ///< of the supervisor
  const char* reason;  ///< in the report
};
const Event ends[] = {
    {"stop", [](World& world) { world.stop(); }, 0, "stopped"},
    {"stop with force", [](World& world) { world.stop(R"({"force":true})"); }, 0, "stopped"},
    {"the owner leaves", [](World& world) { world.caller->close(); }, 0, "its caller went away"},
    {"the reaper is killed", [](World& world) { world.guard_theirs.reset(); }, 125, "the reaper was killed"},
    {"the VM crashes", [](World& world) { world.host.end_vm(hypervisor::End::crashed); }, 125, "the guest crashed"},
    {"a share is lost",
     [](World& world) {
       world.host.lose_share("virtiofsd ended");
       world.turn();
       world.advance(2s);
     },
     125, "a share was lost"},
    {"SIGTERM", [](World&) { raise(SIGTERM); }, 0, "terminated"},
};

}  // namespace

TEST_SUITE("supervisor/supervisor") {
  TEST_CASE("a run from nothing to nothing - with the agent's exit code and output") {
    World world;
    world.live();
    world.settle([&] { return world.event("ready").has_value(); });
    CHECK(world.event("ready"));
    CHECK_FALSE(world.event("agent-started"));
    world.attach();
    world.settle([&] { return world.event("agent-started").has_value(); });
    REQUIRE(world.event("agent-started"));
    world.host.guest.print("hello\n");
    world.turn();
    CHECK(world.output == "hello\n");
    world.host.guest.exit(7);
    world.finish();
    CHECK(world.output_ended);
    CHECK(world.own_ended);
    CHECK(world.event("agent-ended")->at("exit_code") == 7);
    CHECK(world.report().at("exit_code") == 7);
    CHECK(world.report().at("ended") == "agent ended");
    CHECK(world.host.guest.shutdown_asked);
    CHECK(world.code == 0);
  }

  TEST_CASE("every end in every phase: its reason is told and nothing is left") {
    for (const Phase& phase : phases) {
      for (const Event& event : ends) {
        CAPTURE(phase.name);
        CAPTURE(event.name);
        World world;
        phase.reach(world);
        REQUIRE_FALSE(world.code);
        event.happen(world);
        world.turn();
        for (int second = 0; second < 10 && !world.code; ++second) world.advance(1s);
        world.settle([&] { return world.code.has_value(); });
        REQUIRE(world.code);
        CHECK(*world.code == event.code);
        if (world.caller->open_for_streams() || !world.report().is_null()) {
          CHECK(world.report().value("ended", "") == event.reason);
        }
        CHECK(world.event("failed").has_value() == (event.code != 0));
      }
    }
  }

  TEST_CASE("time-outs of the phases: the words say what was waited for") {
    struct Late {
      void (*reach)(World&);
      std::chrono::milliseconds limit;
      const char* words;
    };
    const Late late[] = {
        {phases[1].reach, 60s, "waited 60 s for the guest to boot"},
        {phases[2].reach, 30s, "setting up the guest: waited 30 s for the guest to set itself up"},
        {phases[3].reach, 60s, "waited 60 s for the caller to attach"},
        {phases[4].reach, 60s, "waited 60 s for the guest to start the agent"},
    };
    for (const Late& one : late) {
      CAPTURE(one.words);
      World world;
      one.reach(world);
      world.advance(one.limit - 1ms);
      CHECK_FALSE(world.event("failed"));
      world.advance(1ms);
      REQUIRE(world.event("failed"));
      CHECK(world.event("failed")->at("message") == one.words);
    }
  }

  TEST_CASE("the agent's time-out: TERM - then KILL - then the end - whatever the guest does") {
    World world([](vmspec::VmSpec& spec) { spec.agent.timeout_ms = 8000; });
    bool reads = true;
    SUBCASE("it obeys") {}
    SUBCASE("it obeys KILL alone") {
      world.host.guest.obeys_term = false;
    }
    SUBCASE("it obeys nothing") {
      world.host.guest.obeys_term = false;
      world.host.guest.obeys_kill = false;
    }
    SUBCASE("nobody reads its output") {
      reads = false;
    }
    world.reach_running();
    world.read_output = reads;
    if (!reads) world.host.guest.print(std::string(3'000'000, 'y'));
    world.advance(7999ms);
    CHECK(world.host.guest.signals.empty());
    world.advance(1ms);
    REQUIRE_FALSE(world.host.guest.signals.empty());
    CHECK(world.host.guest.signals[0] == SIGTERM);
    for (int second = 0; second < 16 && !world.event("agent-ended"); ++second) world.advance(1s);
    REQUIRE(world.event("agent-ended"));
    CHECK(world.event("agent-ended")->at("timed_out") == true);
    CHECK(world.event("agent-ended")->at("exit_code") == 124);
    world.read_output = true;
  }

  TEST_CASE("an attached reader that stops gets everything when it goes on") {
    World world;
    world.reach_running();
    world.read_output = false;
    const std::string text(2'000'000, 'x');
    world.host.guest.print(text);
    world.turn();
    world.host.guest.exit(3);
    world.turn();
    world.advance(60s);
    CHECK_FALSE(world.code);
    world.read_output = true;
    world.finish();
    CHECK(world.output.size() == text.size());
    CHECK(world.report().at("exit_code") == 3);
  }

  TEST_CASE("a reader that never goes on holds up no stop") {
    World world;
    world.reach_running();
    world.read_output = false;
    world.host.guest.print(std::string(2'000'000, 'x'));
    world.turn();
    world.stop(R"({"deadline_ms":1000})");
    const auto before = std::chrono::steady_clock::now();
    while (!world.code && std::chrono::steady_clock::now() - before < 10s) world.advance(100ms);
    CHECK(world.code == 0);
    world.read_output = true;
  }

  TEST_CASE("stop's deadline is the guest's and force cuts it short") {
    World world;
    world.reach_running();
    world.host.guest.powers_off = false;
    SUBCASE("the deadline") {
      world.stop(R"({"deadline_ms":9000})");
      world.advance(8999ms);
      CHECK_FALSE(world.host.end);
      world.advance(1ms);
      CHECK(world.host.end == hypervisor::End::killed);
    }
    SUBCASE("none given") {
      world.stop();
      world.advance(3999ms);
      CHECK_FALSE(world.host.end);
      world.advance(1ms);
      CHECK(world.host.end == hypervisor::End::killed);
    }
    SUBCASE("a second word with force") {
      world.stop(R"({"deadline_ms":900000})");
      world.advance(1000ms);
      CHECK_FALSE(world.host.end);
      world.stop(R"({"force":true})");
      world.advance(200ms);
      CHECK(world.host.end == hypervisor::End::killed);
    }
  }

  TEST_CASE("a kept VM stays when its agent has ended and its owner left in order") {
    World world([](vmspec::VmSpec& spec) { spec.keep = true; });
    world.reach_running();
    world.host.guest.exit(5);
    world.turn();
    REQUIRE(world.event("agent-ended"));
    world.advance(3600s);
    CHECK_FALSE(world.code);
    SUBCASE("and ends when it is stopped - its logs kept") {
      world.stop();
      world.finish();
      CHECK(world.code == 0);
      CHECK(world.report().at("exit_code") == 5);
      CHECK(state::read_state(world.options.paths)->phase == "stopped");
    }
    SUBCASE("and fails when its VM does") {
      world.host.end_vm(hypervisor::End::vmm_died);
      world.finish();
      CHECK(world.code == 125);
    }
  }

  TEST_CASE("a detached run needs nobody to start and nobody to stay") {
    World world([](vmspec::VmSpec& spec) { spec.detached = true; });
    world.live();
    world.settle([&] { return world.event("agent-started").has_value(); });
    REQUIRE(world.event("agent-started"));
    world.hang_up();
    world.turn();
    world.advance(3600s);
    CHECK_FALSE(world.code);
    world.host.guest.exit(0);
    world.settle([&] { return world.code.has_value(); });
    CHECK(world.code == 0);
  }

  TEST_CASE("a state directory that takes nothing costs the record - not the run") {
    World world;
    world.live();
    // As on a full disk: no file can be made in it any more.
    REQUIRE(rename(world.options.paths.state_dir.c_str(), (world.scratch.path + "/elsewhere").c_str()) == 0);
    world.attach();
    world.host.guest.exit(4);
    world.finish();
    CHECK(world.report().at("exit_code") == 4);
    CHECK(world.code == 0);
  }

  TEST_CASE("a report of any size reaches its owner whole") {
    World world;
    world.reach_running();
    for (int file = 0; file < 5000; ++file) {
      write_file_atomic(world.options.spec.workspace + "/a-file-with-a-name-that-is-not-short-" + std::to_string(file),
                        "x\n", 0644);
    }
    world.host.guest.exit(0);
    world.finish();
    CHECK(world.report().at("files").size() == 5000);
    CHECK(world.own_ended);
  }
}

}  // namespace agentvm::supervisor
