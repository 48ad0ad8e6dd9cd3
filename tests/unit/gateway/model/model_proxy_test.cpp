// model_proxy_test.cpp - https to an upstream that only the host's proxy reaches.
#include <doctest/doctest.h>

#include <string>

#include "tests/unit/gateway/model/model_world.hpp"
#include "tests/unit/gateway/tls_identity.hpp"
#include "tests/unit/has.hpp"

namespace asio = boost::asio;
using namespace agentvm;
using test::FakeUpstream;
using test::has;
using test::Identity;
using test::ScopedVariable;

namespace {

/// A name no resolver knows: who asks for it without the proxy fails.
constexpr char upstream_url[] = "https://model.invalid/v1";

/// A proxy that answers CONNECT with `answer`, and is the endpoint itself behind it.
struct Proxy {
  std::string answer = "HTTP/1.1 200 Connection established\r\n\r\n";
  std::string connect, request;  // what it was asked, and the endpoint in the tunnel
  FakeUpstream::Handler handler(const Identity& identity) {
    return [this, &identity](FakeUpstream::Connection& connection) -> asio::awaitable<void> {
      co_await connection.read_until("\r\n\r\n");
      connect = connection.received;
      co_await connection.write(answer);
      if (answer.starts_with("HTTP/1.1 200")) co_await answer_over_tls(connection, identity, request);
    };
  }
};

std::string ask(Proxy& proxy, const std::string& no_proxy = "other.example") {
  const Identity identity("DNS:model.invalid");
  const test::Trusted trusted(identity);
  std::string answer;
  // The address is known only once the proxy listens.
  test::LinkPair place;
  FakeUpstream listener(place.io, proxy.handler(identity));
  const ScopedVariable https_proxy("HTTPS_PROXY", "http://me:pass%20word@127.0.0.1:" + std::to_string(listener.port()));
  const ScopedVariable exempt("NO_PROXY", no_proxy);
  const ScopedVariable key(test::model_key_variable, test::model_key);
  const vmspec::KeySource source{vmspec::KeySource::Kind::env, test::model_key_variable};
  const gateway::ModelGateway model(place.io.get_executor(), {"m", upstream_url, source}, place.sink(),
                                    {.connect_time = std::chrono::seconds(5)});
  place.handler = model.handler();
  place.test([&]() -> asio::awaitable<void> {
    const link::StreamPtr stream = place.guest->open("POST", "/model");
    co_await stream->write("GET /v1/models HTTP/1.1\r\n\r\n");
    stream->finish();
    answer = co_await stream->read_all(1 << 20);
    listener.close();
  });
  for (const auto& event : place.events) answer += event.dump();
  for (const char* secret : {"pass word", "pass%20word", "cGFzcyB3b3Jk"}) CHECK_FALSE(has(answer, secret));
  return answer;
}

}  // namespace

TEST_SUITE("gateway/model_proxy") {
  TEST_CASE("the proxy is asked for a tunnel and sees neither key nor request") {
    Proxy proxy;
    CHECK(has(ask(proxy), "\r\n\r\ntls"));
    CHECK(proxy.connect ==
          "CONNECT model.invalid:443 HTTP/1.1\r\nHost: model.invalid:443\r\n"
          "Proxy-Authorization: Basic bWU6cGFzcyB3b3Jk\r\n\r\n");
    CHECK(has(proxy.request, "Authorization: Bearer sk-not-for-the-guest\r\n"));
    CHECK(has(proxy.request, "Host: model.invalid\r\n"));
  }

  TEST_CASE("NO_PROXY goes past it") {
    Proxy proxy;
    CHECK(ask(proxy, "invalid").starts_with("HTTP/1.1 502"));  // no resolver knows it
    CHECK(proxy.connect.empty());
  }

  TEST_CASE("a proxy that refuses is a 403 that names it") {
    Proxy proxy;
    proxy.answer = "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 5\r\n\r\nhello";
    const std::string answer = ask(proxy);
    CHECK(answer.starts_with("HTTP/1.1 403"));
    CHECK(has(answer, "asks for a user name and a password (407): put them into HTTPS_PROXY on the host"));
    CHECK(proxy.request.empty());
    proxy.answer = "HTTP/1.1 403 Forbidden\r\n\r\n";
    CHECK(has(ask(proxy), "refuses the connection (403)"));
  }

  TEST_CASE("a proxy that answers badly is a 502") {
    Proxy proxy;
    for (const char* answer : {"SSH-2.0-OpenSSH\r\n\r\n", "HTTP/1.1 502 Bad Gateway\r\n\r\n", ""}) {
      proxy.answer = answer;
      CHECK_MESSAGE(ask(proxy).starts_with("HTTP/1.1 502"), answer);
    }
  }
}
