// http_reader_test.cpp - messages in one piece, byte by byte, and those that must be refused.
#include "launcher/gateway/http/http_reader.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace agentvm::gateway;

namespace {

HttpReader read_whole(HttpKind kind, const std::string& text, HttpReaderLimits limits = {}) {
  HttpReader reader(kind, limits);
  reader.feed(text);
  return reader;
}

/// The status a text is refused with; 0: it is not.
int refusal(HttpKind kind, const std::string& text, HttpReaderLimits limits = {}) {
  for (const bool in_pieces : {false, true}) {
    HttpReader reader(kind, limits);
    try {
      if (in_pieces) {
        for (const char c : text) reader.feed(std::string_view(&c, 1));
      } else {
        reader.feed(text);
      }
      reader.feed_end();
    } catch (const HttpError& error) {
      if (in_pieces) return error.status();
      continue;
    }
    CHECK_MESSAGE(!in_pieces, "taken in pieces but not as a whole: ", text);
    return 0;
  }
  return 0;
}

}  // namespace

TEST_SUITE("gateway/http_reader") {
  TEST_CASE("a request with a length and what follows it") {
    auto reader = read_whole(HttpKind::request,
                             "POST /v1/x?y=1 HTTP/1.1\r\nHost: a\r\nX-Empty:\r\nContent-Length: 4\r\n\r\nbodyGET /");
    REQUIRE(reader.head_done());
    CHECK(reader.done());
    CHECK(reader.head().method == "POST");
    CHECK(reader.head().target == "/v1/x?y=1");
    CHECK(reader.head().keep_alive);
    CHECK(*reader.head().content_length == 4);
    REQUIRE(find_field(reader.head().fields, "HOST") != nullptr);
    CHECK(*find_field(reader.head().fields, "x-empty") == "");
    CHECK(find_field(reader.head().fields, "other") == nullptr);
    CHECK(reader.take_body() == "body");
    CHECK(reader.take_rest() == "GET /");
  }

  TEST_CASE("a chunked body arrives without its framing even byte by byte") {
    const std::string text =
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n4;name=value\r\nabcd\r\n3\r\nefg\r\n0\r\nTrailer: "
        "x\r\n\r\n";
    HttpReader reader(HttpKind::request, {});
    std::string body;
    for (const char c : text) {
      CHECK_FALSE(reader.done());
      reader.feed(std::string_view(&c, 1));
      body += reader.take_body();
    }
    CHECK(reader.done());
    CHECK(reader.head().chunked);
    CHECK(body == "abcdefg");
    CHECK(find_field(reader.head().fields, "trailer") == nullptr);
  }

  TEST_CASE("a response without a length lasts until the end") {
    auto reader = read_whole(HttpKind::response, "HTTP/1.1 200 OK\r\nA: b\r\n\r\nsome");
    CHECK_FALSE(reader.done());
    reader.feed("thing");
    reader.feed_end();
    CHECK(reader.done());
    CHECK(reader.head().status == 200);
    CHECK(reader.take_body() == "something");
  }

  TEST_CASE("responses that have no body") {
    CHECK(read_whole(HttpKind::response, "HTTP/1.1 204 No Content\r\n\r\n").done());
    CHECK(read_whole(HttpKind::response, "HTTP/1.1 100 Continue\r\n\r\n").done());
    HttpReaderLimits limits;
    limits.without_body = true;
    auto head = read_whole(HttpKind::response, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n", limits);
    CHECK(head.done());
    CHECK(*head.head().content_length == 10);
  }

  TEST_CASE("keep-alive follows the version and the Connection field") {
    CHECK_FALSE(read_whole(HttpKind::request, "GET / HTTP/1.0\r\n\r\n").head().keep_alive);
    CHECK(read_whole(HttpKind::request, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").head().keep_alive);
    CHECK_FALSE(read_whole(HttpKind::request, "GET / HTTP/1.1\r\nConnection: close\r\n\r\n").head().keep_alive);
  }

  TEST_CASE("malformed requests are refused with 400") {
    using namespace std::string_literals;  // for the NULs
    const auto status = [](const std::string& text) { return refusal(HttpKind::request, text); };
    CHECK(status("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 TLS?\r\n\r\n"s) == 400);
    CHECK(status("GET /\r\n\r\n") == 400);
    CHECK(status("GET / HTTP/2.0\r\n\r\n") == 400);
    CHECK(status("GET / HTTP/1.1\nHost: a\n\n") == 400);
    CHECK(status("GET /a b HTTP/1.1\r\n\r\n") == 400);
    CHECK(status("GET / HTTP/1.1\r\nBad Name: x\r\n\r\n") == 400);
    CHECK(status("GET / HTTP/1.1\r\nName : x\r\n\r\n") == 400);
    CHECK(status("GET / HTTP/1.1\r\nName: a\0b\r\n\r\n"s) == 400);
    CHECK(status("POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n") == 400);
    CHECK(status("POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n") == 400);
    CHECK(status("POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab") == 400);
    CHECK(status("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nnothex\r\n") == 400);
    CHECK(status("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n") == 400);
  }

  TEST_CASE("a length and chunks at once are request smuggling") {
    CHECK(refusal(HttpKind::request,
                  "POST / HTTP/1.1\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n") == 400);
    CHECK(refusal(HttpKind::request,
                  "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n") == 400);
  }

  TEST_CASE("what is cut off is refused") {
    CHECK(refusal(HttpKind::request, "GET / HTTP/1.1\r\nHost:") == 400);
    CHECK(refusal(HttpKind::request, "POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nabc") == 400);
    CHECK(refusal(HttpKind::response, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n") == 400);
    HttpReader reader(HttpKind::request, {});
    CHECK_FALSE(reader.started());
    CHECK_THROWS_AS(reader.feed_end(), HttpError);
  }

  TEST_CASE("limits: 431 for heads and 413 for bodies") {
    HttpReaderLimits limits;
    limits.head_bytes = 1000;
    limits.body_bytes = 10;
    const auto status = [&](const std::string& text) { return refusal(HttpKind::request, text, limits); };
    CHECK(status("GET / HTTP/1.1\r\nX: " + std::string(900, 'x') + "\r\n\r\n") == 0);
    CHECK(status("GET / HTTP/1.1\r\nX: " + std::string(1000, 'x') + "\r\n\r\n") == 431);
    CHECK(status("GET /" + std::string(1001, 'x')) == 431);
    std::string many = "GET / HTTP/1.1\r\n";
    for (int i = 0; i < 400; ++i) many += "a: b\r\n";
    CHECK(status(many) == 431);
    CHECK(status("POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\n0123456789") == 0);
    CHECK(status("POST / HTTP/1.1\r\nContent-Length: 11\r\n\r\n") == 413);
    CHECK(status("POST / HTTP/1.1\r\nContent-Length: 99999999999999999999999\r\n\r\n") == 400);
    CHECK(status("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nabcdef\r\n6\r\nabcdef\r\n0\r\n\r\n") ==
          413);
    CHECK(status("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFF\r\n") == 413);
    CHECK(status("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2;" + std::string(10000, 'x')) == 400);
  }
}
