// remote_process_test.cpp - exec against a supervisor that plays the guest.
#include "launcher/client/remote_process.hpp"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/wire/guest.hpp"
#include "launcher/client/client.hpp"
#include "tests/unit/client/fake_supervisor.hpp"
#include "tests/unit/has.hpp"
#include "tests/unit/terminal/captured_streams.hpp"

using namespace agentvm;
using agentvm::test::has;
using test::CapturedStreams;
using test::FakeSupervisor;
using test::Scratch;
namespace asio = boost::asio;

namespace {

/// A process that answers its stdin in capitals, says "done" on stderr, and ends with 5.
struct Guest {
  explicit Guest(const asio::any_io_executor& executor) : changed(executor) {}
  AsyncEvent changed;
  std::string text;
  bool stdin_done = false;
  int outputs_done = 0;
};

FakeSupervisor::Answer guest_of(int status, std::string refusal) {
  auto guest = std::make_shared<std::shared_ptr<Guest>>();
  return [=](FakeSupervisor& me, link::StreamPtr stream) -> asio::awaitable<void> {
    if (!*guest) *guest = std::make_shared<Guest>(me.io().get_executor());
    const std::shared_ptr<Guest> now = *guest;
    const std::string path(stream->path());
    if (path == "/processes") {
      me.note(co_await stream->read_all(1 << 20));
      if (status != 200) {
        stream->respond(status);
        co_await stream->write(refusal);
        co_return;
      }
      stream->respond(200, {{"process-id", "12"}});
      while (now->outputs_done < 2) co_await now->changed.wait();
      stream->finish({{"exit-code", "5"}});
    } else if (path == "/processes/12/stdin") {
      now->text = co_await stream->read_all(64 << 20);
      for (char& c : now->text) c = static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
      now->stdin_done = true;
      now->changed.notify();
    } else if (path == "/processes/12/stdout" || path == "/processes/12/stderr") {
      while (!now->stdin_done) co_await now->changed.wait();
      std::string output = path == "/processes/12/stdout" ? now->text : "done\n";
      co_await stream->write(std::move(output));
      ++now->outputs_done;
      now->changed.notify();
    }
  };
}

struct RemoteWorld {
  Scratch scratch;
  state::VmPaths paths = state::vm_paths(scratch.roots(), "vm");
  std::unique_ptr<FakeSupervisor> supervisor;
  explicit RemoteWorld(int status = 200, const std::string& refusal = {}) {
    make_directories(paths.runtime_dir);
    supervisor = std::make_unique<FakeSupervisor>(paths.supervisor_socket(), guest_of(status, refusal));
  }
};

}  // namespace

TEST_CASE("streams and exit code of a command come through") {
  RemoteWorld world;
  CapturedStreams streams("hello\n");
  const int code = commands::run_remote_process(
      world.paths, {.argv = {"tr", "a"}, .environment = {{"A", "b"}}, .directory = "/tmp", .uid = 0});
  streams.restore();
  CHECK(code == 5);
  CHECK(streams.out() == "HELLO\n");
  CHECK(streams.err() == "done\n");
  const auto asked = world.supervisor->asked();
  REQUIRE(asked.size() >= 2);
  const auto spec = nlohmann::json::parse(asked[1]);
  const auto meant = guest::process_spec_from_json(spec);
  CHECK(meant.argv == std::vector<std::string>{"tr", "a"});
  CHECK(meant.env == std::map<std::string, std::string>{{"A", "b"}});
  CHECK(meant.cwd == "/tmp");
  CHECK(spec.at("uid") == 0);
  CHECK(spec.at("gid") == 0);
  CHECK_FALSE(meant.pty);
}

TEST_CASE("what is not said is left to the supervisor and no byte becomes another") {
  RemoteWorld world;
  CapturedStreams streams("");
  commands::run_remote_process(world.paths, {.argv = {"true"}});
  streams.restore();
  const auto spec = nlohmann::json::parse(world.supervisor->asked().at(1));
  for (const char* key : {"env", "cwd", "uid", "gid"}) CHECK_FALSE(spec.contains(key));

  RemoteWorld other;
  CapturedStreams again("");
  std::string refused;
  try {
    commands::run_remote_process(other.paths, {.argv = {"rm", "f\xff"}});
  } catch (const Error& error) {
    refused = error.what();
  }
  again.restore();
  const auto asked = other.supervisor->asked();
  if (asked.size() > 1) {
    CHECK(guest::process_spec_from_json(nlohmann::json::parse(asked[1])).argv.back() == "f\xff");
  } else {
    CHECK(has(refused, "not UTF-8"));
  }
}

TEST_CASE("not found and not startable have the shell's codes") {
  for (const auto& [answered, expected] : {std::pair{404, 127}, std::pair{403, 126}}) {
    const int status = answered;
    CAPTURE(status);
    RemoteWorld world(status, "nosuch: no such program\n");
    CapturedStreams streams;
    const int code = commands::run_remote_process(world.paths, {.argv = {"nosuch"}});
    streams.restore();
    CHECK(code == expected);
  }
}

TEST_CASE("a VM that is not ready is an error that names it") {
  RemoteWorld world(503, "the VM is still starting\n");
  CapturedStreams streams;
  std::string message;
  try {
    commands::run_remote_process(world.paths, {.argv = {"true"}});
  } catch (const Error& error) {
    message = error.what();
  }
  streams.restore();
  CHECK(has(message, "'vm'"));
  CHECK(has(message, "still starting"));
}

TEST_CASE("a VM that does not run is an error that says so") {
  const Scratch scratch;
  try {
    commands::ask_supervisor(state::vm_paths(scratch.roots(), "gone"), "GET", "/status", "", std::chrono::seconds(1));
    FAIL("was answered");
  } catch (const Error& error) {
    CHECK(has(error.what(), "'gone' is not running"));
  }
}

TEST_CASE("a supervisor that is silent is given up with the next thing to try") {
  const Scratch scratch;
  const state::VmPaths paths = state::vm_paths(scratch.roots(), "vm");
  make_directories(paths.runtime_dir);
  FakeSupervisor silent(
      paths.supervisor_socket(),
      [](FakeSupervisor&, link::StreamPtr stream) -> asio::awaitable<void> { co_await stream->closed(); });
  try {
    commands::ask_supervisor(paths, "POST", "/stop", "{}", std::chrono::milliseconds(100));
    FAIL("was answered");
  } catch (const Error& error) {
    CHECK(has(error.what(), "did not answer"));
    CHECK(has(error.hint(), "agentvm destroy vm"));
  }
}
