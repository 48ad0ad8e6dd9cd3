// upstream_url_test.cpp - addresses taken and refused.
#include "launcher/gateway/http/upstream_url.hpp"

#include <doctest/doctest.h>

#include <string>

#include "base/error.hpp"

using namespace agentvm;
using gateway::parse_upstream;
using gateway::UpstreamUrl;

TEST_SUITE("gateway/upstream_url") {
  TEST_CASE("parts") {
    CHECK(parse_upstream("https://api.openai.com/v1") == UpstreamUrl{true, "api.openai.com", "443", "/v1"});
    CHECK(parse_upstream("https://api.example.com:8443/a/b/") == UpstreamUrl{true, "api.example.com", "8443", "/a/b"});
    CHECK(parse_upstream("https://example.com") == UpstreamUrl{true, "example.com", "443", ""});
    CHECK(parse_upstream("http://127.0.0.1:8080/v1") == UpstreamUrl{false, "127.0.0.1", "8080", "/v1"});
    CHECK(parse_upstream("http://[::1]:8080") == UpstreamUrl{false, "::1", "8080", ""});
    CHECK(parse_upstream("http://localhost/v1") == UpstreamUrl{false, "localhost", "80", "/v1"});
  }

  TEST_CASE("the Host field") {
    CHECK(parse_upstream("https://a.example").host_field() == "a.example");
    CHECK(parse_upstream("https://a.example:444").host_field() == "a.example:444");
    CHECK(parse_upstream("http://[::1]:81").host_field() == "[::1]:81");
  }

  TEST_CASE("refused with the address and the rule") {
    for (const char* address : {"", "api.openai.com", "ftp://a", "https://", "https:///v1", "https://a b/",
                                "https://a:0/", "https://a:70000/", "https://a:x/", "https://[::1/", "https://[zz]/",
                                "https://a/v1?key=1", "https://a/#x", "https://a/\r\nX: y", "http://api.openai.com/v1",
                                "http://10.0.0.1/", "http://127.0.0.1.evil.example/", "http://128.0.0.1/"}) {
      CHECK_THROWS_WITH_AS(parse_upstream(address), doctest::Contains("model.upstream"), Error);
    }
    CHECK_THROWS_WITH_AS(parse_upstream("http://api.openai.com/v1"), doctest::Contains("loopback"), Error);
  }

  TEST_CASE("a password in an address is not repeated") {
    try {
      parse_upstream("https://me:hunter2@a.example/");
      FAIL("taken");
    } catch (const Error& error) {
      CHECK(std::string(error.what()).find("hunter2") == std::string::npos);
    }
  }
}
