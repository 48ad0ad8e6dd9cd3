// model_tls_test.cpp - https to an upstream with a certificate of its own: trusted when told to, refused otherwise.
#include <doctest/doctest.h>

#include <string>

#include "launcher/gateway/model/model_gateway.hpp"
#include "tests/unit/gateway/fake_upstream.hpp"
#include "tests/unit/gateway/link_pair.hpp"
#include "tests/unit/gateway/tls_identity.hpp"
#include "tests/unit/has.hpp"

namespace asio = boost::asio;
using namespace agentvm;
using agentvm::test::has;
using link::StreamPtr;

namespace {

/// The gateway's answer to a guest when the upstream has a certificate for `names` and SSL_CERT_FILE names that very
/// certificate or another one; `request` is what the upstream could read.
std::string ask(const std::string& names, const std::string& host, bool trusted, std::string& request) {
  const test::Identity identity(names);
  const test::Identity other(names);
  const test::Trusted trust(trusted ? identity : other);
  const test::ScopedVariable key("AGENTVM_TEST_TLS_KEY", "sk-tls-key");
  test::LinkPair pair;
  test::FakeUpstream upstream(pair.io,
                              [&](auto& connection) { return answer_over_tls(connection, identity, request); });
  const std::string url = "https://" + host + ":" + std::to_string(upstream.port()) + "/v1";
  const vmspec::KeySource source{vmspec::KeySource::Kind::env, "AGENTVM_TEST_TLS_KEY"};
  const gateway::ModelGateway model(pair.io.get_executor(), {"m", url, source}, pair.sink());
  pair.handler = model.handler();
  std::string text;
  pair.test([&]() -> asio::awaitable<void> {
    const StreamPtr stream = pair.guest->open("POST", "/model");
    co_await stream->write("GET /v1/models HTTP/1.1\r\n\r\n");
    stream->finish();
    text = co_await stream->read_all(1 << 20);
    upstream.close();
  });
  return text;
}

}  // namespace

TEST_SUITE("gateway/model_tls") {
  TEST_CASE("a certificate SSL_CERT_FILE trusts for the right name or address") {
    std::string request;
    CHECK(has(ask("DNS:localhost", "localhost", true, request), "200 OK"));
    CHECK(has(request, "Authorization: Bearer sk-tls-key\r\n"));
    CHECK(has(request, "Host: localhost:"));
    CHECK(has(ask("IP:127.0.0.1", "127.0.0.1", true, request), "200 OK"));
  }

  TEST_CASE("any other certificate is refused before the key is sent") {
    std::string request;
    const std::string untrusted = ask("DNS:localhost", "localhost", false, request);
    CHECK(has(untrusted, "502 Bad Gateway"));
    CHECK(has(untrusted, "its certificate is not trusted"));
    const std::string wrong_name = ask("DNS:other.example", "localhost", true, request);
    CHECK(has(wrong_name, "502 Bad Gateway"));
    CHECK(has(wrong_name, "certificate"));
    CHECK(request.empty());
  }
}
