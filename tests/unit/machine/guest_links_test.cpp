// guest_links_test.cpp - links dropped and made anew: the host's end, and agentvm-guest's own daemon on a thread.
#include "launcher/machine/guest_links.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include <string>

#include "launcher/machine/guest_process.hpp"
#include "tests/unit/machine/linked_vm.hpp"

// A namespace of its own: the names of tests meet in unity builds.
namespace agentvm::machine::guest_links_test {

using namespace std::chrono_literals;

namespace {

asio::awaitable<void> read_to_end(GuestOutput& output, std::string& into) {
  for (;;) {
    auto read = output.read();
    const std::string bytes = co_await std::move(read);
    if (bytes.empty()) co_return;
    into += bytes;
  }
}

asio::awaitable<void> wait_for_end(GuestLinks& links, link::StreamPtr stream, std::string path, std::string& code) {
  auto ended = process_end(links, std::move(stream), std::move(path));
  const link::Fields trailers = co_await std::move(ended);
  code = link::field(trailers, "exit-code");
}

std::string numbers(std::size_t bytes) {
  std::string text;
  for (std::size_t i = 0; text.size() < bytes; ++i) text += std::to_string(i) + "\n";
  return text;
}

/// `work`, and then the tasks to their ends; when something fails they are joined before their owner's frame goes.
asio::awaitable<void> with_tasks(TaskGroup& tasks, asio::awaitable<void> work) {
  std::exception_ptr failure;
  try {
    co_await std::move(work);
    co_await tasks.finished();
  } catch (...) {
    failure = std::current_exception();
  }
  co_await tasks.join();
  if (!failure) failure = tasks.failure();
  if (failure) std::rethrow_exception(failure);
}

asio::awaitable<void> drop_often(Vm& vm, int drops) {
  for (int i = 0; i < drops; ++i) {
    co_await sleep_for(std::chrono::milliseconds(i % 7 * 5));
    co_await vm.drop_and_accept();
  }
  write_file_atomic(vm.at("stop"), "");
}

/// A process prints numbers all the time while its links are dropped and made anew.
asio::awaitable<void> drop_while_printing(Vm& vm, int drops, std::string& out, std::string& code) {
  co_await vm.accept();
  link::StreamPtr stream;
  std::string path;
  auto started = vm.start("i=0; while [ ! -e stop ]; do echo $i; i=$((i+1)); done; exit 7", false, stream, path);
  co_await std::move(started);
  GuestOutput output(*vm.links, path + "/stdout");
  TaskGroup tasks(vm.io.get_executor());
  tasks.spawn(read_to_end(output, out));
  tasks.spawn(wait_for_end(*vm.links, std::move(stream), path, code));
  auto all = with_tasks(tasks, drop_often(vm, drops));
  co_await std::move(all);
}

}  // namespace

TEST_CASE("links are dropped and made anew fifty times under a process that prints and no byte is lost or doubled") {
  for (const Kind kind : {Kind::serial, Kind::vsock}) {
    CAPTURE(kind == Kind::serial);
    Vm vm(kind);
    std::string out, code;
    vm.run(drop_while_printing(vm, 50, out, code));
    CHECK(code == "7");
    CHECK(out.size() > 10'000);
    const bool whole = out == numbers(out.size());
    CHECK(whole);
    CHECK(vm.losses.empty());
    CHECK(vm.links->generation() == 51);
    REQUIRE(vm.reports.size() == 51);
    CHECK_FALSE(vm.reports.front().resumed);
    CHECK(vm.reports.back().resumed);
  }
}

namespace {

asio::awaitable<void> feed(GuestInput& input, const std::string& bytes) {
  constexpr std::size_t piece = 30'000;
  for (std::size_t i = 0; i < bytes.size(); i += piece) {
    auto written = input.write(bytes.substr(i, piece));
    co_await std::move(written);
  }
  auto finished = input.finish();
  co_await std::move(finished);
}

asio::awaitable<void> drop_until_ended(Vm& vm, const std::string& code, const TaskGroup& tasks) {
  // Longer and longer: what is under way is sent again each time, and a busy machine must come on as well.
  for (auto pause = 10ms; code.empty() && !tasks.failure(); pause += 2ms) {
    co_await sleep_for(pause);
    co_await vm.drop_and_accept();
  }
}

asio::awaitable<void> drop_while_feeding(Vm& vm, const std::string& bytes, std::string& out, std::string& code) {
  co_await vm.accept();
  link::StreamPtr stream;
  std::string path;
  // Slow at first, so that pipes, windows and buffers fill.
  auto started = vm.start("sleep 0.3; exec cat", true, stream, path);
  co_await std::move(started);
  GuestOutput output(*vm.links, path + "/stdout");
  GuestInput input(*vm.links, path);
  TaskGroup tasks(vm.io.get_executor());
  tasks.spawn(read_to_end(output, out));
  tasks.spawn(wait_for_end(*vm.links, std::move(stream), path, code));
  tasks.spawn(feed(input, bytes));
  auto all = with_tasks(tasks, drop_until_ended(vm, code, tasks));
  co_await std::move(all);
}

}  // namespace

TEST_CASE("stdin stays open over drops and gets every byte once") {
  Vm vm(Kind::serial);
  std::string bytes(8'000'000, '\0');
  std::uint32_t state = 1;
  for (char& byte : bytes) byte = static_cast<char>((state = state * 1664525 + 1013904223) >> 24);
  std::string out, code;
  vm.run(drop_while_feeding(vm, bytes, out, code));
  CHECK(code == "0");
  const bool same = out == bytes;
  CHECK(same);
  CHECK(vm.links->generation() > 3);
}

namespace {

asio::awaitable<void> end_while_dropped(Vm& vm, std::string& out, std::string& code, guest::ProcessState& state) {
  co_await vm.accept();
  link::StreamPtr stream;
  std::string path;
  auto started =
      vm.start("echo one; while [ ! -e go ]; do sleep 0.01; done; echo two; : >gone; exit 5", false, stream, path);
  co_await std::move(started);
  GuestOutput output(*vm.links, path + "/stdout");
  while (out.find('\n') == std::string::npos) out += co_await output.read();
  auto dropped = vm.links->drop();
  co_await std::move(dropped);
  write_file_atomic(vm.at("go"), "");
  while (access(vm.at("gone").c_str(), F_OK) < 0) co_await sleep_for(10ms);
  co_await sleep_for(50ms);
  co_await vm.accept();
  const link::Answer answer = co_await vm.ask("GET", path);
  state = guest::process_state_from_json(nlohmann::json::parse(answer.body));
  auto rest = read_to_end(output, out);
  co_await std::move(rest);
  auto ended = wait_for_end(*vm.links, std::move(stream), path, code);
  co_await std::move(ended);
}

}  // namespace

TEST_CASE("a process that ends while there is no link is asked for by its number afterwards") {
  Vm vm(Kind::serial);
  std::string out, code;
  guest::ProcessState state;
  vm.run(end_while_dropped(vm, out, code, state));
  CHECK(state.ended);
  CHECK(state.exit_code == 5);
  CHECK(out == "one\ntwo\n");
  CHECK(code == "5");
}

namespace {

asio::awaitable<void> ask_wrongly(Vm& vm) {
  co_await vm.accept();
  link::StreamPtr stream;
  std::string path;
  auto started = vm.start("echo hello; exec sleep 30", false, stream, path);
  co_await std::move(started);
  GuestOutput output(*vm.links, path + "/stdout");
  auto read = output.read();
  const std::string hello = co_await std::move(read);
  CHECK(hello == "hello\n");
  const link::Answer twice = co_await vm.ask("GET", path + "/stdout?from=6");
  CHECK(twice.status == 409);
  const link::Answer attached = co_await vm.ask("POST", path + "/attach");
  CHECK(attached.status == 409);
  const link::Answer odd = co_await vm.ask("GET", path + "/stdout?from=6x");
  CHECK(odd.status == 404);
  const link::Answer beyond = co_await vm.ask("GET", path + "/stderr?from=1");
  CHECK(beyond.status == 416);
  co_await vm.drop_and_accept();
  const link::Answer future = co_await vm.ask("GET", path + "/stdout?from=7");
  CHECK(future.status == 416);
  // A reset on a link that stands kills, as ever.
  link::StreamPtr attach = vm.links->control()->open("POST", path + "/attach", {}, true);
  co_await attach->response();
  attach->reset();
  std::string body = "-";
  while (body.find(R"("ended":true)") == std::string::npos) {
    const link::Answer state = co_await vm.ask("GET", path);
    if (state.status == 404) break;
    body = state.body;
    co_await sleep_for(10ms);
  }
}

}  // namespace

TEST_CASE("what stands is not taken over - what was never sent is not made up and a reset still kills") {
  Vm vm(Kind::serial);
  vm.run(ask_wrongly(vm));
}

namespace {

/// A program of the guest that asks for the service.
UniqueFd ask_for_echo(const Vm& vm) {
  UniqueFd connection = connect_unix(vm.at("services.sock"));
  write_all(connection.get(), "mcp/echo\n");
  return connection;
}

asio::awaitable<std::string> read_later(int fd) {
  co_await readable(fd);
  char buffer[256];
  const ssize_t got = read(fd, buffer, sizeof buffer);
  co_return std::string(buffer, static_cast<std::size_t>(got > 0 ? got : 0));
}

asio::awaitable<void> use_services(Vm& vm) {
  co_await vm.accept();
  guest::GuestSetup setup;
  setup.services = {"mcp/echo"};
  const link::Answer answer = co_await vm.ask("POST", "/setup", guest::to_json(setup).dump());
  CHECK(answer.status == 200);
  const UniqueFd first = ask_for_echo(vm);
  std::string said = co_await read_later(first.get());
  CHECK(said == "ok\n");
  auto dropped = vm.links->drop();
  co_await std::move(dropped);
  said = co_await read_later(first.get());
  CHECK(said.empty());
  // Asked while there is no link: answered on the next.
  const UniqueFd second = ask_for_echo(vm);
  co_await vm.accept();
  said = co_await read_later(second.get());
  CHECK(said == "ok\n");
  write_all(second.get(), "still there?");
  said = co_await read_later(second.get());
  CHECK(said == "still there?");
}

}  // namespace

TEST_CASE("a service's connection ends with its link and the next one works on the next link") {
  Vm vm(Kind::vsock);
  vm.run(use_services(vm));
}

TEST_CASE("a loss that nobody announced ends the guest after its grace") {
  Vm vm(Kind::vsock);
  vm.run(vm.accept());
  vm.links->close();
  vm.io.restart();
  vm.io.run_for(2s);
  CHECK(vm.guest_ended().find("link is closed") != std::string::npos);
}

TEST_CASE("a guest that does not agree to a drop keeps its links") {
  // A guest without a way to new links.
  signal(SIGPIPE, SIG_IGN);
  asio::io_context io{1};
  const guest::TemporaryDirectory directory;
  const std::string control = directory.path() + "/ctl", services = directory.path() + "/svc";
  GuestLinks links(io.get_executor(), serial_transport(control, services));
  links.serve("/ready", [](link::StreamPtr stream) -> asio::awaitable<void> { co_await stream->read_all(4096); });
  auto daemon = std::async(std::launch::async, [&] {
    const auto source = guest::serial_link_source(connect_unix(control), connect_unix(services));
    guest::Links first = guest::first_links(*source, 30s);
    return guest::run_daemon({.links = std::move(first), .services_socket = directory.path() + "/services.sock"});
  });
  int losses = 0;
  const auto all = [&]() -> asio::awaitable<void> {
    const std::function<void(std::string)> lost = [&losses](const std::string&) { ++losses; };
    auto accepted = links.accept(lost);
    co_await std::move(accepted);
    bool refused = false;
    try {
      auto dropped = links.drop();
      co_await std::move(dropped);
    } catch (const Error&) {
      refused = true;
    }
    CHECK(refused);
    const link::Answer answer = co_await link::request(*links.control(), "POST", "/shutdown");
    CHECK(answer.status == 200);
  };
  auto done = asio::co_spawn(io, all(), asio::use_future);
  io.run_for(30s);
  REQUIRE(done.wait_for(0s) == std::future_status::ready);
  CHECK_NOTHROW(done.get());
  CHECK(daemon.get() == "the host asked for it");
  CHECK(losses == 1);
}

}  // namespace agentvm::machine::guest_links_test
