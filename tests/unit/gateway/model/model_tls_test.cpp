// model_tls_test.cpp - https to an upstream with a certificate of its own: trusted when told to, refused otherwise.
#include <doctest/doctest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <cstdlib>
#include <memory>
#include <string>

#include "base/file.hpp"
#include "launcher/gateway/model/model_gateway.hpp"
#include "tests/unit/gateway/fake_upstream.hpp"
#include "tests/unit/gateway/link_pair.hpp"
#include "tests/unit/has.hpp"

namespace asio = boost::asio;
using namespace agentvm;
using agentvm::test::has;
using link::StreamPtr;

namespace {

template <auto function>
struct Freed {
  template <typename T>
  void operator()(T* object) const noexcept {
    function(object);
  }
};

std::string text_of(BIO* memory) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(memory, &data);
  return std::string(data, static_cast<std::size_t>(size));
}

/// A key and a certificate signed by itself, valid for an hour, as PEM.
struct Identity {
  std::string key, certificate;

  explicit Identity(const std::string& names) {
    const std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>> pair(EVP_EC_gen("P-256"));
    const std::unique_ptr<X509, Freed<X509_free>> x509(X509_new());
    REQUIRE(pair);
    X509_set_version(x509.get(), X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(x509.get()), 1);
    X509_gmtime_adj(X509_getm_notBefore(x509.get()), -60);
    X509_gmtime_adj(X509_getm_notAfter(x509.get()), 3600);
    X509_set_pubkey(x509.get(), pair.get());
    X509_NAME* const name = X509_get_subject_name(x509.get());
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>("test"), -1, -1, 0);
    X509_set_issuer_name(x509.get(), name);
    const std::unique_ptr<X509_EXTENSION, Freed<X509_EXTENSION_free>> alternatives(
        X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, names.c_str()));
    REQUIRE(alternatives);
    X509_add_ext(x509.get(), alternatives.get(), -1);
    REQUIRE(X509_sign(x509.get(), pair.get(), EVP_sha256()) > 0);
    const std::unique_ptr<BIO, Freed<BIO_free>> key_text(BIO_new(BIO_s_mem()));
    const std::unique_ptr<BIO, Freed<BIO_free>> certificate_text(BIO_new(BIO_s_mem()));
    PEM_write_bio_PrivateKey(key_text.get(), pair.get(), nullptr, nullptr, 0, nullptr, nullptr);
    PEM_write_bio_X509(certificate_text.get(), x509.get());
    key = text_of(key_text.get());
    certificate = text_of(certificate_text.get());
  }
};

/// Speaks TLS on one connection and answers every request with "tls".
asio::awaitable<void> answer(test::FakeUpstream::Connection& connection, const Identity& identity,
                             std::string& request) {
  asio::ssl::context context(asio::ssl::context::tls_server);
  context.use_certificate_chain(asio::buffer(identity.certificate));
  context.use_private_key(asio::buffer(identity.key), asio::ssl::context::pem);
  asio::ssl::stream<asio::ip::tcp::socket&> stream(connection.socket, context);
  const auto [error] =
      co_await stream.async_handshake(asio::ssl::stream_base::server, asio::as_tuple(asio::use_awaitable));
  if (error) co_return;
  while (request.find("\r\n\r\n") == std::string::npos) {
    char buffer[4096];
    const auto [failed, size] =
        co_await stream.async_read_some(asio::buffer(buffer), asio::as_tuple(asio::use_awaitable));
    if (failed) co_return;
    request.append(buffer, size);
  }
  const std::string text = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\ntls";
  co_await asio::async_write(stream, asio::buffer(text), asio::as_tuple(asio::use_awaitable));
}

/// The gateway's answer to a guest when the upstream has a certificate for `names` and SSL_CERT_FILE names that very
/// certificate or another one; `request` is what the upstream could read.
std::string ask(const std::string& names, const std::string& host, bool trusted, std::string& request) {
  const Identity identity(names);
  const Identity other(names);
  const std::string file = "/tmp/agentvm-tls-" + std::to_string(getpid()) + ".pem";
  write_file_atomic(file, trusted ? identity.certificate : other.certificate);
  const char* before = getenv("SSL_CERT_FILE");
  const std::string restored = before != nullptr ? before : "";
  setenv("SSL_CERT_FILE", file.c_str(), 1);

  test::LinkPair pair;
  test::FakeUpstream upstream(pair.io, [&](auto& connection) { return answer(connection, identity, request); });
  const std::string url = "https://" + host + ":" + std::to_string(upstream.port()) + "/v1";
  gateway::ModelGateway model(pair.io.get_executor(), {"m", url, {}}, "sk-tls-key", pair.sink());
  pair.handler = [&](StreamPtr stream) { return model.serve(std::move(stream)); };
  std::string text;
  pair.test([&]() -> asio::awaitable<void> {
    const StreamPtr stream = pair.guest->open("POST", "/model");
    co_await stream->write("GET /v1/models HTTP/1.1\r\n\r\n");
    stream->finish();
    text = co_await stream->read_all(1 << 20);
    upstream.close();
  });
  if (before != nullptr) {
    setenv("SSL_CERT_FILE", restored.c_str(), 1);
  } else {
    unsetenv("SSL_CERT_FILE");
  }
  remove_tree(file);
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
