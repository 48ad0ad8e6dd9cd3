// response_head_test.cpp - heads of answers made strict.
#include "launcher/gateway/http/response_head.hpp"

#include <doctest/doctest.h>

#include <string>

#include "launcher/gateway/http/http_reader.hpp"

using namespace agentvm::gateway;

TEST_SUITE("gateway/response_head") {
  TEST_CASE("where a head ends") {
    CHECK(response_head_length("") == 0);
    CHECK(response_head_length("HTTP/1.1 200\r\nA: b\r\n") == 0);
    CHECK(response_head_length("\r\n\r\n\r\n") == 0);
    CHECK(response_head_length("HTTP/1.1 200\n\nbody\n\n") == 14);
    CHECK(response_head_length("HTTP/1.1 200\r\n\r\nbody") == 16);
    CHECK(response_head_length("\nHTTP/1.1 200\nA: b\n\r\nbody") == 21);
  }

  TEST_CASE("strict it says the same") {
    CHECK(strict_response_head("HTTP/1.1 200\nA: b\n\n") == "HTTP/1.1 200 \r\nA: b\r\n\r\n");
    CHECK(strict_response_head("HTTP/1.1 200 Gr\xc3\xbc\xc3\x9f"
                               "e\x01\r\n\r\n") == "HTTP/1.1 200 Gr????e?\r\n\r\n");
    CHECK(strict_response_head("HTTP/1.0 200 OK\r\nTransfer-Encoding: identity\r\ncontent-length: 5\r\n\r\n") ==
          "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n");
    CHECK_THROWS_AS(strict_response_head("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 05\r\n\r\n"),
                    HttpError);
  }

  TEST_CASE("limits hold for a head that never ends") {
    HttpReader reader(HttpKind::response, {.head_bytes = 100});
    reader.feed("HTTP/1.1 200 OK\n");
    CHECK_THROWS_AS(reader.feed("X: " + std::string(100, 'x')), HttpError);
    HttpReader blank(HttpKind::response, {.head_bytes = 100});
    CHECK_THROWS_AS(blank.feed(std::string(101, '\n')), HttpError);
    HttpReader cut(HttpKind::response, {});
    cut.feed("HTTP/1.1 200 OK\nX: ");
    CHECK(cut.started());
    CHECK_THROWS_WITH(cut.feed_end(), "the connection ended within a message");
  }
}
