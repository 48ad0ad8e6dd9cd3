// control_test.cpp - the control link, both ends in one process: real programs, real pipes, real terminals.
#include "guest/control.hpp"

#include <doctest/doctest.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/signal_set.hpp>
#include <chrono>
#include <nlohmann/json.hpp>
#include <string>

#include "base/async/event.hpp"
#include "base/error.hpp"
#include "base/file.hpp"
#include "guest/process_streams.hpp"
#include "guest/setup.hpp"
#include "tests/unit/guest/link_pair.hpp"

namespace agentvm::guest {

namespace asio = boost::asio;
using namespace asio::experimental::awaitable_operators;
using link::StreamPtr;

namespace {

/// What came of a process.
struct Ended {
  std::string out;
  std::string err;
  std::string exit_code;
  std::string term_signal;
};

class ControlLink {
 public:
  ControlLink() {
    pair_.connect(handler(), limits());
    link_->set(pair_.server);
    pair_.start(reap());
  }

  void run(asio::awaitable<void> task) { pair_.run(std::move(task)); }
  void start(asio::awaitable<void> task) { pair_.start(std::move(task)); }
  link::Session& host() { return *pair_.client; }
  std::size_t running() const { return processes_->running(); }

  /// Opens the stream of a process; its answer is for the caller to read.
  asio::awaitable<StreamPtr> post(ProcessSpec spec) {
    const StreamPtr stream = host().open("POST", "/processes");
    co_await stream->write(to_json(spec).dump());
    stream->finish();
    co_return stream;
  }

  static asio::awaitable<std::string> started(StreamPtr stream) {
    const auto fields = co_await stream->response();
    if (link::field(fields, ":status") != "200") throw Error(co_await stream->read_all(4096));
    co_return "/processes/" + std::string(link::field(fields, "process-id"));
  }

  asio::awaitable<void> collect(std::string path, std::string& into) {
    const StreamPtr stream = host().open("GET", path, {}, true);
    into = co_await stream->read_all(std::size_t{64} << 20);
  }

  asio::awaitable<void> feed(std::string path, std::string bytes) {
    const StreamPtr stream = host().open("POST", path + "/stdin");
    if (!bytes.empty()) co_await stream->write(std::move(bytes));
    stream->finish();
    co_await stream->closed();
  }

  static asio::awaitable<void> read_end(StreamPtr stream, Ended& ended) {
    for (std::string bytes = "-"; !bytes.empty();) bytes = co_await stream->read();
    ended.exit_code = link::field(stream->trailers(), "exit-code");
    ended.term_signal = link::field(stream->trailers(), "term-signal");
  }

  asio::awaitable<void> run_to_end(ProcessSpec spec, Ended& ended, std::string input = {}) {
    const bool fed = !spec.stdin_null;
    const StreamPtr stream = co_await post(std::move(spec));
    const std::string path = co_await started(stream);
    if (fed) pair_.start(feed(path, std::move(input)));
    co_await (collect(path + "/stdout", ended.out) && collect(path + "/stderr", ended.err) && read_end(stream, ended));
  }

  Ended run_to_end(ProcessSpec spec, std::string input = {}) {
    Ended ended;
    run(run_to_end(std::move(spec), ended, std::move(input)));
    return ended;
  }

  link::Answer ask(std::string method, std::string path, std::string body = {}) {
    link::Answer answer;
    run(ask(std::move(method), std::move(path), std::move(body), answer));
    return answer;
  }

  asio::awaitable<void> ask(std::string method, std::string path, std::string body, link::Answer& answer) {
    answer = co_await link::request(host(), std::move(method), std::move(path), std::move(body));
  }

  bool shutdown_asked = false;
  GuestSetup last_setup;

 private:
  link::Handler handler() {
    return control_handler(processes_,
                           {.setup =
                                [this](const GuestSetup& setup) {
                                  if (setup.hostname == "bad") throw Error("mounting usr: no such tag");
                                  last_setup = setup;
                                  return SetupReply{1, 2};
                                },
                            .shutdown = [this] { shutdown_asked = true; }},
                           link_);
  }

  static link::Limits limits() {
    link::Limits limits;
    limits.max_streams = max_control_streams;
    return limits;
  }

  asio::awaitable<void> reap() {
    for (;;) {
      co_await children_.async_wait(asio::use_awaitable);
      processes_->reap(/*every_child=*/false);
    }
  }

  LinkPair pair_;
  asio::signal_set children_{pair_.context, SIGCHLD};
  std::shared_ptr<HostLink> link_ = std::make_shared<HostLink>(pair_.context.get_executor());
  std::shared_ptr<ProcessTable> processes_ = std::make_shared<ProcessTable>(pair_.context.get_executor());
};

ProcessSpec shell(std::string script) {
  return {.argv = {"sh", "-c", std::move(script)},
          .env = {{"PATH", "/usr/bin:/bin"}, {"TERM", "dumb"}},
          .cwd = "/",
          .uid = geteuid(),
          .gid = getegid(),
          .stdin_null = true};
}

ProcessSpec terminal(std::string script) {
  ProcessSpec spec = shell(std::move(script));
  spec.pty = true;
  spec.stdin_null = false;
  return spec;
}

}  // namespace

TEST_CASE("output and errors and exit code come apart") {
  ControlLink link;
  const Ended ended = link.run_to_end(shell("echo out; echo err >&2; exit 7"));
  CHECK(ended.out == "out\n");
  CHECK(ended.err == "err\n");
  CHECK(ended.exit_code == "7");
  CHECK(ended.term_signal.empty());
}

TEST_CASE("exit codes 0 and 1 and 126 and 127 and a kill come through") {
  ControlLink link;
  CHECK(link.run_to_end(shell("exit 0")).exit_code == "0");
  CHECK(link.run_to_end(shell("exit 1")).exit_code == "1");
  CHECK(link.run_to_end(shell("exit 126")).exit_code == "126");
  CHECK(link.run_to_end(shell("exit 127")).exit_code == "127");
  const Ended killed = link.run_to_end(shell("kill -9 $$"));
  CHECK(killed.exit_code == "137");
  CHECK(killed.term_signal == "9");
}

TEST_CASE("a process starts clean: environment and directory and mask and umask and descriptors and session") {
  ControlLink link;
  ProcessSpec spec = shell("env | sort; pwd; umask; ls /proc/self/fd; cut -d' ' -f5,6 /proc/$$/stat; echo $$");
  spec.cwd = "/usr";
  spec.env = {{"PATH", "/usr/bin:/bin"}, {"ONLY", "this"}};
  const std::string out = link.run_to_end(spec).out;
  CHECK(out.starts_with("ONLY=this\nPATH=/usr/bin:/bin\nPWD=/usr\n/usr\n0022\n0\n1\n2\n3\n"));
  const std::string tail = out.substr(out.find("\n3\n") + 3);
  const std::string pid = tail.substr(tail.find('\n') + 1, tail.rfind('\n') - tail.find('\n') - 1);
  CHECK(tail.starts_with(pid + " " + pid + "\n"));

  ProcessSpec signals = shell("");
  signals.argv = {"cat", "/proc/self/status"};
  CHECK(link.run_to_end(signals).out.find(
            "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\nSigCgt:\t0000000000000000\n") != std::string::npos);
}

TEST_CASE("what cannot be started is answered 404 or 403 with a sentence") {
  ControlLink link;
  const auto refusal = [&](ProcessSpec spec) {
    const link::Answer answer = link.ask("POST", "/processes", to_json(spec).dump());
    return std::to_string(answer.status) + " " + answer.body;
  };
  ProcessSpec spec = shell("");
  spec.argv = {"no-such-program"};
  CHECK(refusal(spec) == "404 no-such-program: no such program on PATH");
  spec.argv = {"/no/such/program"};
  CHECK(refusal(spec) == "404 /no/such/program: No such file or directory");
  spec.argv = {"/etc"};
  CHECK(refusal(spec) == "403 /etc: Permission denied");
  spec.argv = {"/etc/passwd"};
  CHECK(refusal(spec) == "403 /etc/passwd: Permission denied");
  spec.argv = {"true"};
  spec.cwd = "/no/such/directory";
  CHECK(refusal(spec) == "403 entering the working directory /no/such/directory: No such file or directory");
  CHECK(link.ask("POST", "/processes", "{").status == 400);
  CHECK(link.ask("POST", "/processes", R"({"argv":[]})").body ==
        R"(process: "argv" must be a program and its arguments, not an array)");
  CHECK(link.running() == 0);
}

TEST_CASE("stdin ends when its stream does and not before") {
  ControlLink link;
  ProcessSpec spec = shell("cat; echo done");
  spec.stdin_null = false;
  CHECK(link.run_to_end(spec, "some bytes").out == "some bytesdone\n");
  spec.argv = {"cat"};
  CHECK(link.run_to_end(spec, "").out.empty());
}

TEST_CASE("a process that reads no input ends its stdin stream") {
  ControlLink link;
  ProcessSpec spec = shell("exec 0<&-; sleep 0.2; exit 3");
  spec.stdin_null = false;
  CHECK(link.run_to_end(spec, std::string(1'000'000, 'x')).exit_code == "3");
}

TEST_CASE("20 MB through cat arrive unchanged with a reader that is slow at first") {
  ControlLink link;
  std::string bytes;
  bytes.resize(20'000'000);
  std::uint32_t state = 1;
  for (char& byte : bytes) byte = static_cast<char>((state = state * 1664525 + 1013904223) >> 24);
  Ended ended;
  std::size_t fed = 0;
  const auto feed_counted = [&](std::string path) -> asio::awaitable<void> {
    const StreamPtr stream = link.host().open("POST", path + "/stdin");
    constexpr std::size_t chunk = 50'000;
    for (; fed < bytes.size(); fed += chunk) co_await stream->write(bytes.substr(fed, chunk));
    stream->finish();
    co_await stream->closed();
  };
  const auto all = [&]() -> asio::awaitable<void> {
    ProcessSpec spec = shell("exec cat");
    spec.stdin_null = false;
    const StreamPtr stream = co_await link.post(spec);
    const std::string path = co_await ControlLink::started(stream);
    link.start(feed_counted(path));
    co_await sleep_for(std::chrono::milliseconds(200));
    // Two pipes, two windows and two buffers hold what nobody has read yet.
    CHECK(fed < 2'000'000);
    co_await (link.collect(path + "/stdout", ended.out) && ControlLink::read_end(stream, ended));
  };
  link.run(all());
  CHECK(ended.exit_code == "0");
  CHECK(ended.out == bytes);
}

TEST_CASE("children left behind do not hold the output streams open") {
  ControlLink link;
  const auto start = std::chrono::steady_clock::now();
  const Ended ended = link.run_to_end(shell("sleep 20 & echo started"));
  CHECK(ended.out == "started\n");
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(5));
}

TEST_CASE("output that comes after the end of the process is still sent") {
  ControlLink link;
  CHECK(link.run_to_end(shell("(for i in 1 2 3 4 5; do sleep 0.05; echo $i; done) &")).out == "1\n2\n3\n4\n5\n");
}

TEST_CASE("output may be asked for after the process has ended by one reader") {
  ControlLink link;
  std::string out;
  std::string second;
  const auto all = [&]() -> asio::awaitable<void> {
    const StreamPtr stream = co_await link.post(shell("echo late"));
    const std::string path = co_await ControlLink::started(stream);
    Ended ended;
    co_await ControlLink::read_end(stream, ended);
    co_await link.collect(path + "/stdout", out);
    co_await link.collect(path + "/stdout", second);
  };
  link.run(all());
  CHECK(out == "late\n");
  CHECK(second.ends_with("is being read"));
}

TEST_CASE("a terminal has the asked size and is controlling and hears of a resize") {
  ControlLink link;
  ProcessSpec spec =
      terminal("stty size; tty; trap 'stty size; exit 5' WINCH; echo ready; while :; do sleep 0.01; done");
  spec.rows = 33;
  spec.columns = 111;
  std::string out;
  Ended ended;
  const auto all = [&]() -> asio::awaitable<void> {
    const StreamPtr stream = co_await link.post(spec);
    const std::string path = co_await ControlLink::started(stream);
    const StreamPtr output = link.host().open("GET", path + "/stdout", {}, true);
    while (out.find("ready") == std::string::npos) out += co_await output->read();
    link::Answer answer;
    co_await link.ask("POST", path + "/resize", R"({"rows":44,"columns":222})", answer);
    CHECK(answer.status == 200);
    co_await link.ask("POST", path + "/resize", R"({"rows":0,"columns":222})", answer);
    CHECK(answer.status == 400);
    for (std::string bytes = "-"; !bytes.empty(); out += bytes) bytes = co_await output->read();
    co_await ControlLink::read_end(stream, ended);
  };
  link.run(all());
  CHECK(out.starts_with("33 111\r\n/dev/pts/"));
  CHECK(out.find("44 222\r\n") != std::string::npos);
  CHECK(ended.exit_code == "5");
}

TEST_CASE("Ctrl-C on a terminal reaches the foreground program") {
  ControlLink link;
  Ended ended;
  const auto all = [&]() -> asio::awaitable<void> {
    const StreamPtr stream = co_await link.post(terminal("echo ready; exec sleep 20"));
    const std::string path = co_await ControlLink::started(stream);
    const StreamPtr input = link.host().open("POST", path + "/stdin");
    const StreamPtr output = link.host().open("GET", path + "/stdout", {}, true);
    std::string out;
    while (out.find("ready") == std::string::npos) out += co_await output->read();
    co_await input->write("\x03");
    co_await ControlLink::read_end(stream, ended);
  };
  link.run(all());
  CHECK(ended.exit_code == "130");
  CHECK(ended.term_signal == "2");
}

TEST_CASE("a terminal's stdin ends like one even in the middle of a line") {
  ControlLink link;
  const Ended whole = link.run_to_end(terminal("stty -echo; echo ready; cat; echo done"), "line\n");
  CHECK(whole.out.ends_with("line\r\ndone\r\n"));
  CHECK(whole.exit_code == "0");
  const Ended part = link.run_to_end(terminal("stty -echo; cat; echo done"), "part");
  CHECK(part.out.ends_with("partdone\r\n"));
  CHECK(part.err.empty());
}

TEST_CASE("a signal goes to the process and its end is told") {
  ControlLink link;
  Ended ended;
  const auto all = [&]() -> asio::awaitable<void> {
    const StreamPtr stream = co_await link.post(shell("exec sleep 20"));
    const std::string path = co_await ControlLink::started(stream);
    link::Answer answer;
    co_await link.ask("POST", path + "/signal", R"({"signal":99})", answer);
    CHECK(answer.status == 400);
    co_await link.ask("POST", path + "/resize", R"({"rows":1,"columns":1})", answer);
    CHECK(answer.status == 409);
    co_await link.ask("POST", path + "/signal", R"({"signal":15})", answer);
    CHECK(answer.status == 200);
    co_await ControlLink::read_end(stream, ended);
  };
  link.run(all());
  CHECK(ended.exit_code == "143");
  CHECK(ended.term_signal == "15");
}

TEST_CASE("resetting the stream of a process ends everything it started") {
  ControlLink link;
  for (const bool pty : {false, true}) {
    CAPTURE(pty);
    std::string out;
    const auto all = [&]() -> asio::awaitable<void> {
      ProcessSpec spec = shell("trap '' HUP TERM; sleep 30 & echo $!; wait; sleep 30");
      spec.pty = pty;
      const StreamPtr stream = co_await link.post(spec);
      const std::string path = co_await ControlLink::started(stream);
      const StreamPtr output = link.host().open("GET", path + "/stdout", {}, true);
      while (out.find('\n') == std::string::npos) out += co_await output->read();
      stream->reset();
      while (link.running() != 0) co_await sleep_for(std::chrono::milliseconds(10));
    };
    link.run(all());
    const pid_t child = std::stoi(out);
    // Killed with its parent; a zombie until whoever adopted it reaps it.
    bool gone = false;
    for (int i = 0; i < 100 && !gone; ++i) {
      const auto stat = read_file_if_exists("/proc/" + std::to_string(child) + "/stat");
      gone = !stat || stat->find(") Z ") != std::string::npos;
      if (!gone) usleep(10'000);
    }
    CHECK(gone);
  }
}

TEST_CASE("forty processes at once") {
  ControlLink link;
  std::size_t good = 0;
  const auto one = [&](int number) -> asio::awaitable<void> {
    Ended ended;
    co_await link.run_to_end(shell("echo " + std::to_string(number)), ended);
    if (ended.out == std::to_string(number) + "\n" && ended.exit_code == "0") ++good;
  };
  const auto all = [&]() -> asio::awaitable<void> {
    for (int i = 0; i < 40; ++i) link.start(one(i));
    while (good < 40) co_await sleep_for(std::chrono::milliseconds(10));
  };
  link.run(all());
  CHECK(good == 40);
}

TEST_CASE("setup and health and shutdown") {
  ControlLink link;
  GuestSetup setup;
  setup.hostname = "rust";
  const link::Answer done = link.ask("POST", "/setup", to_json(setup).dump());
  CHECK(done.status == 200);
  CHECK(setup_reply_from_json(nlohmann::json::parse(done.body)) == SetupReply{1, 2});
  CHECK(link.last_setup == setup);
  setup.hostname = "bad";
  const link::Answer failed = link.ask("POST", "/setup", to_json(setup).dump());
  CHECK(failed.status == 500);
  CHECK(failed.body == "mounting usr: no such tag");
  CHECK(link.ask("POST", "/setup", R"({"hostname":7})").status == 400);
  CHECK(nlohmann::json::parse(link.ask("GET", "/health").body).at("uptime_ms") > 0);
  CHECK_FALSE(link.shutdown_asked);
  CHECK(link.ask("POST", "/shutdown").status == 200);
  CHECK(link.shutdown_asked);
}

TEST_CASE("a connection to a port of the guest's loopback") {
  UniqueFd listener(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  REQUIRE(bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), size) == 0);
  REQUIRE(listen(listener.get(), 1) == 0);
  REQUIRE(getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
  const std::string path = "/connect/" + std::to_string(ntohs(address.sin_port));
  ControlLink link;
  std::string answer;
  const auto talk = [&]() -> asio::awaitable<void> {
    const StreamPtr stream = link.host().open("POST", path);
    const auto fields = co_await stream->response();
    CHECK(link::field(fields, ":status") == "200");
    const UniqueFd program(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    write_all(program.get(), "from the guest");
    shutdown(program.get(), SHUT_WR);
    answer = co_await stream->read_all(100);
    co_await stream->write("to the guest");
    stream->finish();
    // Both ends are on this thread, which must not block in read(2).
    char buffer[100];
    ssize_t got = -1;
    for (int i = 0; i < 1000 && got < 0; ++i) {
      got = recv(program.get(), buffer, sizeof buffer, MSG_DONTWAIT);
      if (got < 0) co_await sleep_for(std::chrono::milliseconds(5));
    }
    answer += "," + std::string(buffer, static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
  };
  link.run(talk());
  CHECK(answer == "from the guest,to the guest");
  listener.reset();
  const link::Answer nobody = link.ask("POST", path);
  CHECK(nobody.status == 502);
  CHECK(nobody.body.find("Connection refused") != std::string::npos);
  CHECK(link.ask("POST", "/connect/0").status == 404);
  CHECK(link.ask("POST", "/connect/65536").status == 404);
  CHECK(link.ask("GET", path).status == 404);
}

TEST_CASE("unknown paths and processes are answered 404") {
  ControlLink link;
  CHECK(link.ask("GET", "/").status == 404);
  CHECK(link.ask("GET", "/setup").status == 404);
  CHECK(link.ask("GET", "/processes/1/stdout").body == "there is no process 1");
  CHECK(link.ask("GET", "/processes/x/stdout").status == 404);
  CHECK(link.ask("GET", "/processes/99999999999/stdout").status == 404);
  CHECK(link.ask("GET", "/processes/1").status == 404);
}

}  // namespace agentvm::guest
