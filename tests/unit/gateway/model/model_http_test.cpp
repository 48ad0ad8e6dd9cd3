// model_http_test.cpp - which requests are sent on, and what of their heads.
#include "launcher/gateway/model/model_http.hpp"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <string>

using namespace agentvm::gateway;

namespace {

HttpHead head_of(const std::string& text, HttpKind kind = HttpKind::request) {
  HttpReader reader(kind, {});
  reader.feed(text);
  REQUIRE(reader.head_done());
  return reader.head();
}

std::string target_of(const std::string& request_target, const std::string& upstream = "https://api.example/base") {
  return upstream_target(head_of("GET " + request_target + " HTTP/1.1\r\n\r\n"), parse_upstream(upstream));
}

int refusal(const std::string& request) {
  try {
    upstream_request_head(head_of(request), parse_upstream("https://api.example/base"), "");
  } catch (const HttpError& error) {
    return error.status();
  }
  return 0;
}

}  // namespace

TEST_SUITE("gateway/model_http") {
  TEST_CASE("/v1 stands for the upstream's base path") {
    CHECK(target_of("/v1/responses") == "/base/responses");
    CHECK(target_of("/v1/models?limit=2&x=/../") == "/base/models?limit=2&x=/../");
    CHECK(target_of("/v1") == "/base");
    CHECK(target_of("/v1/responses", "https://api.example") == "/responses");
    CHECK(target_of("/v1?x", "https://api.example") == "/?x");
    CHECK(target_of("/v1/files/a..b/c") == "/base/files/a..b/c");
  }

  TEST_CASE("nothing else leads anywhere") {
    for (const char* target : {"/", "/v2/responses", "/v10", "/V1/responses", "//v1/responses", "/healthz"}) {
      CHECK_MESSAGE(refusal("GET " + std::string(target) + " HTTP/1.1\r\n\r\n") == 404, target);
    }
    for (const char* target :
         {"/v1/../admin", "/v1/a/..", "/v1/.", "/v1/%2e%2e/admin", "/v1/.%2E/admin", "/v1/..%2fadmin",
          "/v1/%2E%2E%2Fadmin", "/v1/..\\admin", "/v1/..%5Cadmin", "/v1/..;x/admin", "/v1/./x",
          "http://api.example/v1/responses", "*", "example.com:443", "/v1/\xc3\xa4", "/v1/#x"}) {
      CHECK_MESSAGE(refusal("GET " + std::string(target) + " HTTP/1.1\r\n\r\n") == 400, target);
    }
    CHECK(refusal("CONNECT example.com:443 HTTP/1.1\r\n\r\n") == 400);
    CHECK(refusal("TRACE /v1/x HTTP/1.1\r\n\r\n") == 405);
    CHECK(refusal("post /v1/x HTTP/1.1\r\nContent-Length: 0\r\n\r\n") == 0);
    CHECK(refusal("POST /v1/x HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n") == 400);
    CHECK(refusal("POST /v1/x HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n") == 400);
  }

  TEST_CASE("the guest's credentials and hop-by-hop fields fall away and ours come in") {
    const auto head = head_of(
        "POST /v1/responses HTTP/1.1\r\nHost: 127.0.0.1:4180\r\nAuthorization: Bearer guest\r\nCookie: a=b\r\n"
        "X-Api-Key: guest\r\nX-Auth-Token: guest\r\nClient-Secret: guest\r\nProxy-Authorization: "
        "guest\r\nOpenAI-Organization: guest\r\n"
        "Connection: keep-alive, X-Hop\r\nX-Hop: guest\r\nKeep-Alive: 5\r\nTE: trailers\r\nUpgrade: websocket\r\n"
        "Accept-Encoding: gzip\r\nExpect: 100-continue\r\nAccept: text/event-stream\r\nIdempotency-Key: 7\r\n"
        "session-id: s\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}");
    CHECK(upstream_request_head(head, parse_upstream("https://api.example/base"), "sk-1") ==
          "POST /base/responses HTTP/1.1\r\nHost: api.example\r\nAuthorization: Bearer sk-1\r\n"
          "Accept: text/event-stream\r\nIdempotency-Key: 7\r\nsession-id: s\r\nContent-Type: application/json\r\n"
          "Content-Length: 2\r\nConnection: close\r\n\r\n");
    CHECK(upstream_request_head(head, parse_upstream("https://api.example/base"), "").find("Authorization") ==
          std::string::npos);
  }

  TEST_CASE("a chunked body stays chunked") {
    const auto head = head_of("POST /v1/x HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n");
    CHECK(upstream_request_head(head, parse_upstream("http://[::1]:81"), "") ==
          "POST /x HTTP/1.1\r\nHost: [::1]:81\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n");
  }

  TEST_CASE("answers keep a length or else are chunked") {
    const auto request = head_of("GET /v1/x HTTP/1.1\r\n\r\n");
    const auto old_request = head_of("GET /v1/x HTTP/1.0\r\n\r\n");
    const auto head_request = head_of("HEAD /v1/x HTTP/1.1\r\n\r\n");
    const auto sized = head_of(
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nSet-Cookie: a=b\r\nConnection: close\r\nX-Request-Id: 9\r\n\r\n",
        HttpKind::response);
    const auto endless = head_of("HTTP/1.1 200 OK\r\n\r\n", HttpKind::response);
    CHECK(response_framing(request, sized) == Framing::length);
    CHECK(response_framing(request, endless) == Framing::chunked);
    CHECK(response_framing(old_request, endless) == Framing::close);
    CHECK(response_framing(head_request, sized) == Framing::none);
    CHECK(guest_response_head(sized, Framing::length, true) ==
          "HTTP/1.1 200 OK\r\nX-Request-Id: 9\r\nContent-Length: 3\r\nConnection: keep-alive\r\n\r\n");
    CHECK(guest_response_head(endless, Framing::chunked, false) ==
          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n");
  }

  TEST_CASE("our own errors have OpenAI's shape") {
    const std::string text = error_response(502, "upstream_failed", "no \"route\" \xff");
    auto reader = HttpReader(HttpKind::response, {});
    reader.feed(text);
    REQUIRE(reader.done());
    CHECK(reader.head().status == 502);
    CHECK_FALSE(reader.head().keep_alive);
    const auto document = nlohmann::json::parse(reader.take_body());
    CHECK(document["error"]["code"] == "upstream_failed");
    CHECK(document["error"]["message"].get<std::string>().starts_with("no \"route\""));
  }

  TEST_CASE("chunks") {
    CHECK(chunk("abc") == "3\r\nabc\r\n");
    CHECK(chunk(std::string(26, 'x')).starts_with("1a\r\n"));
  }
}
