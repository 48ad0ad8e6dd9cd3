// tls_identity.hpp - a key with a certificate of its own, and a server that answers with them.
#pragma once

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
#include "tests/unit/gateway/fake_upstream.hpp"

namespace agentvm::test {

/// A variable of the environment for as long as this lives.
class ScopedVariable {
 public:
  ScopedVariable(const char* name, const std::string& value) : name_(name) {
    if (const char* before = getenv(name)) before_ = before;
    setenv(name, value.c_str(), 1);
  }
  ScopedVariable(const ScopedVariable&) = delete;
  ScopedVariable& operator=(const ScopedVariable&) = delete;
  ~ScopedVariable() {
    if (before_.empty()) {
      unsetenv(name_);
    } else {
      setenv(name_, before_.c_str(), 1);
    }
  }

 private:
  const char* name_;
  std::string before_;
};

template <auto function>
struct Freed {
  template <typename T>
  void operator()(T* object) const noexcept {
    function(object);
  }
};

inline std::string text_of(BIO* memory) {
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
inline asio::awaitable<void> answer_over_tls(FakeUpstream::Connection& connection, const Identity& identity,
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

/// A certificate as the only trusted one.
class Trusted {
 public:
  explicit Trusted(const Identity& identity)
      : file_("/tmp/agentvm-tls-" + std::to_string(getpid()) + ".pem"), variable_("SSL_CERT_FILE", file_) {
    write_file_atomic(file_, identity.certificate);
  }
  Trusted(const Trusted&) = delete;
  Trusted& operator=(const Trusted&) = delete;
  ~Trusted() { remove_tree(file_); }

 private:
  std::string file_;
  ScopedVariable variable_;
};

}  // namespace agentvm::test
