// model_gateway_test.cpp - requests through the gateway to a server on the loopback, good and bad ones on either side.
#include "launcher/gateway/model/model_gateway.hpp"

#include <doctest/doctest.h>

#include <memory>
#include <string>

#include "tests/unit/gateway/fake_upstream.hpp"
#include "tests/unit/gateway/link_pair.hpp"

namespace asio = boost::asio;
using namespace agentvm;
using namespace std::chrono_literals;
using gateway::ModelGateway;
using gateway::ModelLimits;
using link::StreamPtr;
using test::FakeUpstream;
using test::read_until;

namespace {

constexpr char key[] = "sk-not-for-the-guest";

/// A guest, the gateway and an upstream.
struct ModelWorld : test::LinkPair {
  FakeUpstream upstream;
  ModelGateway model;

  explicit ModelWorld(FakeUpstream::Handler answer, ModelLimits limits = {}, std::string url = {})
      : upstream(io, std::move(answer)),
        model(io.get_executor(), {"m", url.empty() ? upstream.url() : url, {}}, key, sink(), limits) {
    handler = [this](StreamPtr stream) { return model.serve(std::move(stream)); };
  }
  StreamPtr connect() { return guest->open("POST", "/model"); }
  void run(std::function<asio::awaitable<void>()> body) {
    test([this, body = std::move(body)]() -> asio::awaitable<void> {
      co_await body();
      upstream.close();
    });
    for (const auto& event : events) CHECK(event.dump().find(key) == std::string::npos);
  }
};

asio::awaitable<void> never_asked(FakeUpstream::Connection&) {
  FAIL_CHECK("the upstream was asked");
  co_return;
}

/// The answer to one whole request on a connection of its own.
asio::awaitable<std::string> ask(ModelWorld& world, std::string request) {
  const StreamPtr stream = world.connect();
  co_await stream->write(std::move(request));
  stream->finish();
  co_return co_await stream->read_all(1 << 20);
}

}  // namespace

TEST_SUITE("gateway/model_gateway") {
  TEST_CASE("the key goes out with the request and never comes back") {
    ModelWorld world([](FakeUpstream::Connection& connection) -> asio::awaitable<void> {
      co_await connection.read_until("{\"a\":1}");
      co_await connection.write("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nSet-Cookie: x\r\n\r\nhello");
    });
    world.run([&]() -> asio::awaitable<void> {
      const std::string answer = co_await ask(world,
                                              "POST /v1/responses HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "
                                              "guest\r\nContent-Length: 7\r\n\r\n{\"a\":1}");
      CHECK(answer == "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\nhello");
    });
    REQUIRE(world.upstream.requests.size() == 1);
    const std::string& request = world.upstream.requests[0];
    CHECK(request.starts_with("POST /base/responses HTTP/1.1\r\nHost: 127.0.0.1:"));
    CHECK(request.find("Authorization: Bearer sk-not-for-the-guest\r\n") != std::string::npos);
    CHECK(request.find("Bearer guest") == std::string::npos);
    REQUIRE(world.events.size() == 1);
    CHECK(world.events[0]["event"] == "model-request");
    CHECK(world.events[0]["method"] == "POST");
    CHECK(world.events[0]["path"] == "/v1/responses");
    CHECK(world.events[0]["status"] == 200);
    CHECK(world.events[0]["request_bytes"] == 7);
    CHECK(world.events[0]["response_bytes"] == 5);
  }

  TEST_CASE("several requests on one connection even pipelined") {
    int count = 0;
    ModelWorld world([&](FakeUpstream::Connection& connection) -> asio::awaitable<void> {
      co_await connection.read_until("\r\n\r\n");
      co_await connection.write("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n" + std::to_string(++count));
    });
    world.run([&]() -> asio::awaitable<void> {
      const StreamPtr stream = world.connect();
      co_await stream->write("GET /v1/a HTTP/1.1\r\n\r\nGET /v1/b HTTP/1.1\r\n\r\n");
      std::string answers = co_await read_until(stream, "\r\n\r\n2");
      co_await stream->write("GET /v1/c HTTP/1.1\r\nConnection: close\r\n\r\n");
      answers = co_await read_until(stream, "\r\n\r\n3");
      CHECK(answers.find("Connection: close") != std::string::npos);
      CHECK((co_await stream->read()).empty());
    });
    CHECK(world.events.size() == 3);
  }

  TEST_CASE("server-sent events pass as they come and their commands are seen") {
    AsyncEvent* first_was_read = nullptr;
    bool sent_second = false;
    ModelWorld world([&](FakeUpstream::Connection& connection) -> asio::awaitable<void> {
      co_await connection.read_until("\r\n\r\n");
      co_await connection.write(
          "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n\r\ndata: first\n\n");
      co_await first_was_read->wait();
      sent_second = true;
      co_await connection.write(
          "data: {\"type\":\"response.output_item.done\",\"item\":{\"type\":\"function_call\","
          "\"name\":\"exec_command\",\"arguments\":\"{\\\"cmd\\\":\\\"make\\\"}\"}}\n\n");
    });
    AsyncEvent event(world.io.get_executor());
    first_was_read = &event;
    world.run([&]() -> asio::awaitable<void> {
      const StreamPtr stream = world.connect();
      co_await stream->write("POST /v1/responses HTTP/1.1\r\nContent-Length: 0\r\n\r\n");
      std::string text = co_await read_until(stream, "d\r\ndata: first\n\n\r\n");
      CHECK_FALSE(sent_second);
      CHECK(text.find("Transfer-Encoding: chunked") != std::string::npos);
      event.notify();
      text = co_await read_until(stream, "\r\n0\r\n\r\n");
      CHECK(text.find("make") != std::string::npos);
      stream->finish();
    });
    REQUIRE(world.events.size() == 2);
    CHECK(world.events[0] == nlohmann::json{{"event", "command"}, {"command", "make"}});
    CHECK(world.events[1]["status"] == 200);
  }

  TEST_CASE("a request's body streams through before it is complete") {
    AsyncEvent* half_arrived = nullptr;
    ModelWorld world([&](FakeUpstream::Connection& connection) -> asio::awaitable<void> {
      co_await connection.read_until("4\r\nhalf\r\n");
      half_arrived->notify();
      co_await connection.read_until("5\r\nwhole\r\n0\r\n\r\n");
      co_await connection.write("HTTP/1.1 204 No Content\r\n\r\n");
    });
    AsyncEvent event(world.io.get_executor());
    half_arrived = &event;
    world.run([&]() -> asio::awaitable<void> {
      const StreamPtr stream = world.connect();
      co_await stream->write("POST /v1/files HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n");
      co_await event.wait();
      co_await stream->write("5\r\nwhole\r\n0\r\n\r\n");
      co_await read_until(stream, "204 No Content");
    });
    CHECK(world.events[0]["request_bytes"] == 9);
  }

  TEST_CASE("Expect: 100-continue is answered here") {
    ModelWorld world([](FakeUpstream::Connection& connection) -> asio::awaitable<void> {
      co_await connection.read_until("body");
      co_await connection.write("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    });
    world.run([&]() -> asio::awaitable<void> {
      const StreamPtr stream = world.connect();
      co_await stream->write("POST /v1/x HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n");
      co_await read_until(stream, "HTTP/1.1 100 Continue\r\n\r\n");
      co_await stream->write("body");
      co_await read_until(stream, "200 OK");
    });
    CHECK(world.upstream.requests[0].find("Expect") == std::string::npos);
  }

  TEST_CASE("redirects are not followed") {
    ModelWorld world([](FakeUpstream::Connection& connection) -> asio::awaitable<void> {
      co_await connection.read_until("\r\n\r\n");
      co_await connection.write("HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n");
    });
    world.run([&]() -> asio::awaitable<void> {
      const std::string answer = co_await ask(world, "GET /v1/x HTTP/1.1\r\n\r\n");
      CHECK(answer.starts_with("HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\n"));
    });
    CHECK(world.upstream.requests.size() == 1);
  }

  TEST_CASE("an early answer reaches the guest although its body is not sent") {
    ModelWorld world([](FakeUpstream::Connection& connection) -> asio::awaitable<void> {
      co_await connection.read_until("\r\n\r\n");
      co_await connection.write("HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno");
    });
    world.run([&]() -> asio::awaitable<void> {
      const StreamPtr stream = world.connect();
      co_await stream->write("POST /v1/x HTTP/1.1\r\nContent-Length: 1000000\r\n\r\nsome");
      const std::string answer = co_await read_until(stream, "\r\n\r\nno");
      CHECK(answer.find("Connection: close") != std::string::npos);
      CHECK((co_await stream->read()).empty());
    });
  }

  TEST_CASE("refused requests never reach the upstream") {
    ModelLimits limits;
    limits.body_bytes = 1000;
    ModelWorld world(never_asked, limits);
    world.run([&]() -> asio::awaitable<void> {
      const auto status = [&](std::string request) -> asio::awaitable<int> {
        const std::string answer = co_await ask(world, std::move(request));
        CHECK(answer.find("{\"error\":{") != std::string::npos);
        co_return std::stoi(answer.substr(9, 3));
      };
      CHECK(co_await status("nonsense\r\n\r\n") == 400);
      CHECK(co_await status("CONNECT api.openai.com:443 HTTP/1.1\r\n\r\n") == 400);
      CHECK(co_await status("GET http://169.254.169.254/ HTTP/1.1\r\n\r\n") == 400);
      CHECK(co_await status("GET /v1/../x HTTP/1.1\r\n\r\n") == 400);
      CHECK(co_await status("GET /admin HTTP/1.1\r\n\r\n") == 404);
      CHECK(co_await status("GET /v1/x HTTP/1.1\r\nX: " + std::string(70000, 'x') + "\r\n\r\n") == 431);
      CHECK(co_await status("POST /v1/x HTTP/1.1\r\nContent-Length: 1001\r\n\r\n") == 413);
      CHECK(co_await status("GET /v1/x HTTP/1.1\r\nHost") == 400);
    });
  }

  TEST_CASE("a body that turns out too long is answered with 413") {
    ModelLimits limits;
    limits.body_bytes = 5;
    ModelWorld world(
        [](FakeUpstream::Connection& connection) -> asio::awaitable<void> { co_await connection.wait_for_end(); },
        limits);
    world.run([&]() -> asio::awaitable<void> {
      const std::string answer = co_await ask(
          world, "POST /v1/x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n");
      CHECK(answer.starts_with("HTTP/1.1 413"));
    });
  }

  TEST_CASE("upstream failures are a 502 that says what failed") {
    const auto answer_to = [](FakeUpstream::Handler handler, ModelLimits limits = {}, std::string url = {}) {
      ModelWorld world(std::move(handler), limits, std::move(url));
      std::string answer;
      world.run([&]() -> asio::awaitable<void> { answer = co_await ask(world, "GET /v1/x HTTP/1.1\r\n\r\n"); });
      CHECK(answer.starts_with("HTTP/1.1 502 Bad Gateway\r\n"));
      CHECK(answer.find(key) == std::string::npos);
      CHECK(world.events.at(0)["status"] == 502);
      return answer;
    };
    const auto has = [](const std::string& text, const std::string& part) {
      return text.find(part) != std::string::npos;
    };
    CHECK(has(answer_to(never_asked, {}, "http://127.0.0.1:1/v1"), "connecting failed: Connection refused"));
    CHECK(has(answer_to([](FakeUpstream::Connection&) -> asio::awaitable<void> { co_return; }), "without an answer"));
    CHECK(has(answer_to([](FakeUpstream::Connection& connection) -> asio::awaitable<void> {
                co_await connection.write("SSH-2.0-OpenSSH\r\n\r\n");
              }),
              "bad answer"));
    ModelLimits limits;
    limits.response_time = 100ms;
    CHECK(has(answer_to(
                  [](FakeUpstream::Connection& connection) -> asio::awaitable<void> {
                    co_await connection.read_until("\r\n\r\n");
                    co_await connection.wait_for_end();
                  },
                  limits),
              "no answer in time"));
  }

  TEST_CASE("an answer that breaks off is never passed off as whole") {
    ModelWorld world([](FakeUpstream::Connection& connection) -> asio::awaitable<void> {
      co_await connection.read_until("\r\n\r\n");
      co_await connection.write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
    });
    world.run([&]() -> asio::awaitable<void> {
      const StreamPtr stream = world.connect();
      co_await stream->write("GET /v1/x HTTP/1.1\r\n\r\n");
      CHECK_THROWS_AS(co_await stream->read_all(1000), Error);
    });
  }

  TEST_CASE("a guest that goes away takes its upstream connection with it") {
    bool ended = false;
    AsyncEvent* over = nullptr;
    ModelWorld world([&](FakeUpstream::Connection& connection) -> asio::awaitable<void> {
      co_await connection.read_until("\r\n\r\n");
      co_await connection.write("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: x\n\n");
      ended = co_await connection.wait_for_end();
      over->notify();
    });
    AsyncEvent event(world.io.get_executor());
    over = &event;
    world.run([&]() -> asio::awaitable<void> {
      const StreamPtr stream = world.connect();
      co_await stream->write("POST /v1/x HTTP/1.1\r\nContent-Length: 0\r\n\r\n");
      co_await read_until(stream, "data: x");
      stream->reset();
      while (!ended) co_await event.wait();
    });
    CHECK(ended);
  }

  TEST_CASE("a head that trickles in is cut off and an idle connection closed") {
    ModelLimits limits;
    limits.head_time = 300ms;
    limits.keep_alive_time = 100ms;
    ModelWorld world(never_asked, limits);
    world.run([&]() -> asio::awaitable<void> {
      const StreamPtr slow = world.connect();
      std::string answer;
      const auto start = std::chrono::steady_clock::now();
      for (const char c : std::string("GET ")) {
        co_await slow->write(std::string(1, c));
        co_await sleep_for(60ms);
      }
      answer = co_await slow->read_all(10000);
      CHECK(answer.starts_with("HTTP/1.1 408"));
      CHECK(std::chrono::steady_clock::now() - start < 5s);
      const StreamPtr idle = world.connect();
      CHECK((co_await idle->read_all(1000)).empty());
    });
  }

  TEST_CASE("connections have a limit and a place is free again after one") {
    ModelLimits limits;
    limits.connections = 1;
    ModelWorld world(
        [](FakeUpstream::Connection& connection) -> asio::awaitable<void> {
          co_await connection.read_until("\r\n\r\n");
          co_await connection.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        },
        limits);
    world.run([&]() -> asio::awaitable<void> {
      const StreamPtr first = world.connect();
      CHECK(link::field(co_await first->response(), ":status") == "200");
      const StreamPtr second = world.connect();
      CHECK(link::field(co_await second->response(), ":status") == "500");
      CHECK((co_await second->read_all(1000)).find("limit") != std::string::npos);
      first->finish();
      co_await first->closed();
      CHECK((co_await ask(world, "GET /v1/x HTTP/1.1\r\n\r\n")).ends_with("ok"));
    });
  }

  TEST_CASE("a large answer waits for a slow guest") {
    constexpr std::size_t size = 8 << 20;
    std::size_t written = 0;
    ModelWorld world([&](FakeUpstream::Connection& connection) -> asio::awaitable<void> {
      co_await connection.read_until("\r\n\r\n");
      co_await connection.write("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(size) + "\r\n\r\n");
      for (; written < size; written += 65536) co_await connection.write(std::string(65536, 'x'));
    });
    world.run([&]() -> asio::awaitable<void> {
      const StreamPtr stream = world.connect();
      co_await stream->write("GET /v1/x HTTP/1.1\r\nConnection: close\r\n\r\n");
      co_await stream->response();
      co_await sleep_for(300ms);
      CHECK(written < size);
      const std::string answer = co_await stream->read_all(size + 1000);
      CHECK(answer.size() > size);
    });
  }
}
