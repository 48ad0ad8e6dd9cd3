// lenient_answer_test.cpp - answers of sloppy servers that Codex takes: they reach the guest, in strict HTTP.
#include <doctest/doctest.h>

#include <string>

#include "tests/unit/gateway/model/model_world.hpp"
#include "tests/unit/has.hpp"

namespace asio = boost::asio;
using namespace agentvm;
using test::has;
using test::ModelWorld;

namespace {

/// What the guest gets when the upstream says `text` and closes.
std::string passed_on(const std::string& text) {
  ModelWorld world([&](auto& connection) -> asio::awaitable<void> {
    co_await connection.read_until("\r\n\r\n");
    co_await connection.write(text);
  });
  std::string answer;
  world.run([&]() -> asio::awaitable<void> {
    const link::StreamPtr stream = world.connect();
    co_await stream->write("GET /v1/models HTTP/1.1\r\n\r\n");
    stream->finish();
    try {
      answer = co_await stream->read_all(1 << 20);
    } catch (const Error&) {
      answer = "reset";
    }
  });
  return answer;
}

}  // namespace

TEST_SUITE("gateway/lenient_answer") {
  TEST_CASE("lines that end in LF and a status without a reason") {
    const std::string wanted = "HTTP/1.1 200 \r\nX-A: b\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nok";
    CHECK(passed_on("HTTP/1.1 200\nX-A: b\nContent-Length: 2\n\nok") == wanted);
    CHECK(passed_on("HTTP/1.1 200\r\nX-A: b\r\nContent-Length: 2\r\n\r\nok") == wanted);
    CHECK(passed_on("\r\n\nHTTP/1.1 200 \nX-A: b\r\nContent-Length: 2\n\r\nok") == wanted);
    CHECK(has(passed_on("HTTP/1.1 100\n\nHTTP/1.1 200\nContent-Length: 2\n\nok"), "\r\n\r\nok"));
  }

  TEST_CASE("a length beside chunked: chunked it is") {
    const std::string chunks = "4\r\ndata\r\n0\r\n\r\n";
    const std::string wanted =
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n" + chunks;
    CHECK(passed_on("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks) == wanted);
    CHECK(passed_on("HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\nContent-Length: 999\r\n\r\n" + chunks) == wanted);
  }

  TEST_CASE("the same length twice is one") {
    CHECK(passed_on("HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\nContent-Length: 2\r\n\r\nok") ==
          "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nok");
  }

  TEST_CASE("what two readers could take in two ways never reaches the guest") {
    for (const char* text : {
             "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
             "HTTP/1.1 200 OK\r\nContent-Length: 2, 3\r\n\r\nok",
             "HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok",
             "HTTP/1.1 200 OK\r\nContent-Length: \r\n\r\nok",
             "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
             "HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\nContent-Length: 2\r\n\r\nok",
             "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
             "HTTP/1.1 200 OK\r\nX: a\r\n Content-Length: 2\r\n\r\nok",
             "HTTP/1.1 200 OK\r\nX: a\rContent-Length: 2\r\n\r\nok",
             "HTTP/1.1 200 OK\r\nX : a\r\nContent-Length: 2\r\n\r\nok",
             "HTTP/1.1 20\r\nContent-Length: 2\r\n\r\nok",
             "HTTP/1.1 2000\r\nContent-Length: 2\r\n\r\nok",
             "ICY 200 OK\r\nContent-Length: 2\r\n\r\nok",
         }) {
      const std::string answer = passed_on(text);
      CHECK_MESSAGE(answer.starts_with("HTTP/1.1 502 Bad Gateway\r\n"), text);
      CHECK_MESSAGE(has(answer, "bad answer"), text);
    }
    CHECK_FALSE(has(passed_on("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\ndata\n0\n\n"), "data"));
  }
}
