// link_test.cpp - sessions over a socket pair: bodies, back-pressure, half-close, resets, and peers that misbehave.
#include "base/link/link.hpp"
#include "base/async/task_group.hpp"

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <functional>
#include <string>

#include "base/async/event.hpp"
#include "base/error.hpp"
#include "base/unix_socket.hpp"

namespace asio = boost::asio;
using namespace agentvm;
using namespace std::chrono_literals;
using link::StreamPtr;

namespace {

/// Both ends of a link in one io_context.
struct Pair {
  asio::io_context io{1};
  link::SessionPtr client, server;
  std::string client_end = "running", server_end = "running";
  TaskGroup tasks{io.get_executor()};  ///< none of them goes on once `io` is left

  explicit Pair(link::Handler handler, link::Limits limits = {}) {
    auto [a, b] = socket_pair();
    client = link::Session::create(io.get_executor(), std::move(a), link::Role::client, limits);
    server = link::Session::create(io.get_executor(), std::move(b), link::Role::server, limits, std::move(handler));
    tasks.spawn(run(client, client_end));
    tasks.spawn(run(server, server_end));
  }
  static asio::awaitable<void> run(link::SessionPtr session, std::string& end) { end = co_await session->run(); }

  /// Runs the test's coroutine to its end, then closes; an exception of it fails the test.
  void test(std::function<asio::awaitable<void>()> body) {
    std::exception_ptr failure;
    bool done = false;
    asio::co_spawn(io, body, [&](std::exception_ptr error) {
      failure = error;
      done = true;
      client->close();
    });
    io.run_for(20s);
    REQUIRE(done);
    if (failure) std::rethrow_exception(failure);
  }
};

/// `total` bytes of a pattern, then the end of the stream.
asio::awaitable<void> send_pattern(StreamPtr stream, std::size_t total, bool& done) {
  std::size_t sent = 0;
  while (sent < total) {
    std::string chunk(40000, '\0');
    for (std::size_t i = 0; i < chunk.size(); ++i) chunk[i] = static_cast<char>((sent + i) * 131 >> 7);
    chunk.resize(std::min(chunk.size(), total - sent));
    sent += chunk.size();
    co_await stream->write(std::move(chunk));
  }
  stream->finish();
  done = true;
}

asio::awaitable<void> echo(StreamPtr stream) {
  for (;;) {
    std::string bytes = co_await stream->read();
    if (bytes.empty()) break;
    co_await stream->write(std::move(bytes));
  }
  stream->finish({{"exit-code", "7"}});
}

}  // namespace

TEST_SUITE("base/link") {
  TEST_CASE("a request has fields and a body and trailers") {
    Pair pair([](StreamPtr stream) -> asio::awaitable<void> {
      CHECK(stream->path() == "/greet");
      CHECK(stream->method() == "POST");
      CHECK(link::field(stream->request(), "who") == "world");
      const std::string body = co_await stream->read_all(100);
      stream->respond(201, {{"answer", "yes"}});
      co_await stream->write("hello " + body);
      stream->finish({{"exit-code", "3"}});
    });
    pair.test([&]() -> asio::awaitable<void> {
      const StreamPtr stream = pair.client->open("POST", "/greet", {{"who", "world"}});
      co_await stream->write("there");
      stream->finish();
      const link::Fields answer = co_await stream->response();
      CHECK(link::field(answer, ":status") == "201");
      CHECK(link::field(answer, "answer") == "yes");
      const std::string body = co_await stream->read_all(100);
      CHECK(body == "hello there");
      CHECK(link::field(stream->trailers(), "exit-code") == "3");
    });
    CHECK(pair.client_end.empty());
    CHECK(pair.server_end.empty());
  }

  TEST_CASE("half-close: the answer may come long after the request ended") {
    Pair pair(echo);
    pair.test([&]() -> asio::awaitable<void> {
      const StreamPtr stream = pair.client->open("POST", "/echo");
      co_await stream->write("late");
      stream->finish();
      const std::string body = co_await stream->read_all(100);
      CHECK(body == "late");
      CHECK(link::field(stream->trailers(), "exit-code") == "7");
    });
  }

  TEST_CASE("50 MB go both ways unchanged while another stream answers") {
    Pair pair(echo);
    constexpr std::size_t total = 50 << 20;
    pair.test([&]() -> asio::awaitable<void> {
      const StreamPtr stream = pair.client->open("POST", "/echo");
      bool sender_done = false;
      pair.tasks.spawn(send_pattern(stream, total, sender_done));
      std::size_t received = 0;
      bool same = true;
      int turns = 0;
      for (;;) {
        const std::string bytes = co_await stream->read();
        if (bytes.empty()) break;
        for (std::size_t i = 0; i < bytes.size(); ++i) {
          same = same && bytes[i] == static_cast<char>((received + i) * 131 >> 7);
        }
        received += bytes.size();
        if (++turns == 10) {
          const link::Answer answer = co_await link::request(*pair.client, "POST", "/echo", "beside");
          CHECK(answer.body == "beside");
        }
      }
      CHECK(received == total);
      CHECK(same);
      CHECK(sender_done);
    });
  }

  TEST_CASE("a reader that stops stops its writer and nobody else") {
    bool writer_finished = false;
    Pair pair([&](StreamPtr stream) -> asio::awaitable<void> {
      if (stream->path() == "/flood") {
        for (int i = 0; i < 1000; ++i) co_await stream->write(std::string(10000, 'x'));
        writer_finished = true;
        co_return;
      }
      co_await echo(stream);
    });
    pair.test([&]() -> asio::awaitable<void> {
      const StreamPtr flood = pair.client->open("GET", "/flood", {}, true);
      co_await flood->response();
      co_await sleep_for(50ms);
      CHECK_FALSE(writer_finished);
      const link::Answer answer = co_await link::request(*pair.client, "POST", "/echo", "alive");
      CHECK(answer.body == "alive");
      const std::string body = co_await flood->read_all(20 << 20);
      CHECK(body.size() == 10'000'000);
      CHECK(writer_finished);
    });
  }

  TEST_CASE("dropping a stream resets it and its writer hears of it") {
    bool failed = false;
    Pair pair([&](StreamPtr stream) -> asio::awaitable<void> {
      try {
        for (int i = 0; i < 1000; ++i) co_await stream->write(std::string(10000, 'x'));
      } catch (const Error&) {
        failed = true;
        throw;
      }
    });
    pair.test([&]() -> asio::awaitable<void> {
      {
        const StreamPtr stream = pair.client->open("GET", "/flood", {}, true);
        const std::string first = co_await stream->read();
        CHECK_FALSE(first.empty());
      }
      co_await sleep_for(50ms);
      CHECK(failed);
    });
  }

  TEST_CASE("a handler's Error is the answer's text") {
    Pair pair([](StreamPtr) -> asio::awaitable<void> {
      throw Error("the disk is full");
      co_return;
    });
    pair.test([&]() -> asio::awaitable<void> {
      const link::Answer answer = co_await link::request(*pair.client, "GET", "/x");
      CHECK(answer.status == 500);
      CHECK(answer.body == "the disk is full\n");
    });
  }

  TEST_CASE("the peer's death fails every wait") {
    auto [a, b] = socket_pair();
    UniqueFd peer = std::move(b);
    asio::io_context io(1);
    const auto session = link::Session::create(io.get_executor(), std::move(a), link::Role::client);
    std::string message;
    std::string failure;
    const auto ask = [&]() -> asio::awaitable<void> {
      const StreamPtr stream = session->open("GET", "/never", {}, true);
      try {
        co_await stream->response();
      } catch (const Error& error) {
        failure = error.what();
      }
    };
    const auto leave = [&]() -> asio::awaitable<void> {
      co_await sleep_for(20ms);
      peer.reset();
    };
    TaskGroup tasks(io.get_executor());
    tasks.spawn(Pair::run(session, message));
    tasks.spawn(ask());
    tasks.spawn(leave());
    io.run_for(5s);
    CHECK(failure == "/never: the other side gave no answer");
    CHECK_FALSE(session->open_for_streams());
  }

  TEST_CASE("garbage ends the session with a reason and nothing else") {
    auto [a, b] = socket_pair();
    asio::io_context io(1);
    const auto session = link::Session::create(io.get_executor(), std::move(a), link::Role::server, {},
                                               [](StreamPtr) -> asio::awaitable<void> {
                                                 FAIL("no stream was opened");
                                                 co_return;
                                               });
    std::string reason = "running";
    TaskGroup tasks(io.get_executor());
    tasks.spawn(Pair::run(session, reason));
    std::string garbage;
    for (int i = 0; i < 5000; ++i) garbage += static_cast<char>(i * 7919 >> 3);
    REQUIRE(write(b.get(), garbage.data(), garbage.size()) == static_cast<ssize_t>(garbage.size()));
    io.run_for(5s);
    CHECK(reason.find("broke the protocol") != std::string::npos);
  }

  TEST_CASE("header blocks beyond the limit reset their stream") {
    link::Limits limits;
    limits.max_field_bytes = 1000;
    Pair pair(echo, limits);
    pair.test([&]() -> asio::awaitable<void> {
      const StreamPtr stream = pair.client->open("POST", "/big", {{"filler", std::string(2000, 'a')}});
      bool failed = false;
      try {
        co_await stream->response();
      } catch (const Error&) {
        failed = true;
      }
      CHECK(failed);
      const link::Answer answer = co_await link::request(*pair.client, "POST", "/echo", "alive");
      CHECK(answer.body == "alive");
    });
  }

  TEST_CASE("relay passes status and bodies and half-close and trailers and resets through") {
    bool upstream_reset = false;
    Pair far([&](StreamPtr stream) -> asio::awaitable<void> {
      if (stream->path() == "/wait") {
        try {
          while (!(co_await stream->read()).empty()) {
          }
        } catch (const Error&) {
          upstream_reset = true;
        }
        co_return;
      }
      co_await echo(stream);
    });
    auto [a, b] = socket_pair();
    const auto near_client = link::Session::create(far.io.get_executor(), std::move(a), link::Role::client);
    const auto near_server = link::Session::create(far.io.get_executor(), std::move(b), link::Role::server, {},
                                                   [&](StreamPtr stream) -> asio::awaitable<void> {
                                                     const std::string path(stream->path());
                                                     const std::string method(stream->method());
                                                     StreamPtr upstream = far.client->open(method, path);
                                                     co_await link::relay(stream, upstream);
                                                   });
    std::string ignored;
    far.tasks.spawn(Pair::run(near_client, ignored));
    far.tasks.spawn(Pair::run(near_server, ignored));
    far.test([&]() -> asio::awaitable<void> {
      const StreamPtr stream = near_client->open("POST", "/echo");
      co_await stream->write("through");
      stream->finish();
      const std::string body = co_await stream->read_all(100);
      CHECK(body == "through");
      CHECK(link::field(stream->trailers(), "exit-code") == "7");
      {
        const StreamPtr dropped = near_client->open("POST", "/wait");
        co_await dropped->write("x");
        co_await sleep_for(30ms);
      }
      co_await sleep_for(50ms);
      CHECK(upstream_reset);
      near_client->close();
    });
  }

  TEST_CASE("ping measures a round trip") {
    Pair pair(echo);
    pair.test([&]() -> asio::awaitable<void> {
      const auto time = co_await pair.client->ping();
      CHECK(time > 0ns);
      CHECK(time < 5s);
    });
  }

  TEST_CASE("more streams than allowed wait their turn") {
    int most = 0;
    int now = 0;
    link::Limits limits;
    limits.max_streams = 8;
    Pair pair(
        [&](StreamPtr stream) -> asio::awaitable<void> {
          most = std::max(most, ++now);
          co_await sleep_for(5ms);
          co_await echo(stream);
          --now;
        },
        limits);
    pair.test([&]() -> asio::awaitable<void> {
      std::vector<StreamPtr> streams;
      for (int i = 0; i < 50; ++i) {
        streams.push_back(pair.client->open("POST", "/echo"));
        streams.back()->finish();
      }
      for (const StreamPtr& stream : streams) co_await stream->read_all(10);
      CHECK(most <= 8);
    });
  }

  TEST_CASE("closing loses nothing of what waits for the peer's window") {
    const std::string report(5 << 20, 'r');
    Pair pair([&](StreamPtr stream) -> asio::awaitable<void> { co_await stream->write(report); });
    pair.test([&]() -> asio::awaitable<void> {
      const StreamPtr stream = pair.client->open("GET", "/report", {}, true);
      std::size_t got = 0;
      for (std::string bytes = co_await stream->read(); !bytes.empty(); bytes = co_await stream->read()) {
        if (got == 0) pair.server->wind_down();
        got += bytes.size();
        co_await sleep_for(1ms);
      }
      CHECK(got == report.size());
    });
    CHECK(pair.server_end.empty());
  }

  TEST_CASE("a session that winds down takes nothing new and waits for its handlers") {
    bool may = false;
    Pair pair([&](StreamPtr stream) -> asio::awaitable<void> {
      while (!may) co_await sleep_for(5ms);
      co_await stream->write("at last");
    });
    pair.test([&]() -> asio::awaitable<void> {
      const StreamPtr first = pair.client->open("GET", "/first", {}, true);
      co_await sleep_for(20ms);
      pair.server->wind_down();
      const StreamPtr second = pair.client->open("GET", "/second", {}, true);
      bool refused = false;
      try {
        co_await second->read();
      } catch (const Error&) {
        refused = true;
      }
      CHECK(refused);
      CHECK(pair.server_end == "running");
      may = true;
      const std::string text = co_await first->read_all(100);
      CHECK(text == "at last");
    });
    CHECK(pair.server_end.empty());
  }

  TEST_CASE("a peer that takes nothing holds a closing session for its limit and no longer") {
    Pair pair([&](StreamPtr stream) -> asio::awaitable<void> { co_await stream->write(std::string(5 << 20, 'x')); });
    const auto start = std::chrono::steady_clock::now();
    pair.test([&]() -> asio::awaitable<void> {
      const StreamPtr stream = pair.client->open("GET", "/never-read", {}, true);
      co_await sleep_for(20ms);
      pair.server->wind_down();
      while (pair.server_end == "running") co_await sleep_for(20ms);
    });
    CHECK(std::chrono::steady_clock::now() - start < 8s);
  }

  TEST_CASE("joining a session ends its handlers - whatever they wait for") {
    int handlers = 0;
    Pair pair([&](StreamPtr) -> asio::awaitable<void> {
      struct Count {
        int& handlers;
        explicit Count(int& count) : handlers(count) { ++handlers; }
        ~Count() { --handlers; }
      } const count(handlers);
      for (;;) co_await sleep_for(1h);
    });
    pair.test([&]() -> asio::awaitable<void> {
      const StreamPtr stream = pair.client->open("GET", "/wait", {}, true);
      while (handlers == 0) co_await sleep_for(5ms);
      co_await pair.server->join();
      CHECK(handlers == 0);
    });
  }
}
