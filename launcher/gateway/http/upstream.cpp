// upstream.cpp - Beast's timed stream, with OpenSSL over it for https.
#include "launcher/gateway/http/upstream.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>

#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/error.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>
#include <memory>
#include <vector>

#include "base/async/event.hpp"
#include "base/async/race.hpp"
#include "base/error.hpp"

namespace agentvm::gateway {

namespace asio = boost::asio;
namespace beast = boost::beast;
using ErrorCode = boost::system::error_code;
using asio::ip::tcp;

struct TlsTrust::Context {
  asio::ssl::context context{asio::ssl::context::tls_client};
};

TlsTrust::TlsTrust() = default;
TlsTrust::~TlsTrust() = default;

TlsTrust::Context& TlsTrust::context() {
  if (!context_) {
    auto made = std::make_unique<Context>();
    ErrorCode error;
    made->context.set_default_verify_paths(error);
    if (!error) made->context.set_verify_mode(asio::ssl::verify_peer, error);
    if (error) throw Error("reading the trusted certificates: " + error.message());
    SSL_CTX_set_min_proto_version(made->context.native_handle(), TLS1_2_VERSION);
    context_ = std::move(made);
  }
  return *context_;
}

namespace {

constexpr std::size_t read_bytes = 32 * 1024;

std::string endpoint_name(const UpstreamUrl& url) {
  return (url.tls ? "https://" : "http://") + url.host_field();
}

std::string reason(const ErrorCode& error) {
  if (error == beast::error::timeout) return "no answer in time";
  return error.message();
}

/// Stream is beast::tcp_stream or a TLS stream over one.
template <typename Stream>
class Connection final : public Upstream {
 public:
  Connection(std::string name, Stream stream) : name_(std::move(name)), stream_(std::move(stream)) {}

  asio::awaitable<std::string> read(std::chrono::milliseconds limit) override {
    beast::get_lowest_layer(stream_).expires_after(limit);
    std::string bytes(read_bytes, '\0');
    const auto [error, size] =
        co_await stream_.async_read_some(asio::buffer(bytes), asio::as_tuple(asio::use_awaitable));
    // Many servers close TLS without saying so; the message's own length tells whether something is missing.
    if (error == asio::error::eof || error == asio::ssl::error::stream_truncated) co_return std::string();
    if (error) throw Error(name_ + ": reading the answer: " + reason(error));
    bytes.resize(size);
    co_return bytes;
  }

  asio::awaitable<void> write(std::string bytes, std::chrono::milliseconds limit) override {
    beast::get_lowest_layer(stream_).expires_after(limit);
    const auto [error, size] =
        co_await asio::async_write(stream_, asio::buffer(bytes), asio::as_tuple(asio::use_awaitable));
    if (error) throw Error(name_ + ": sending the request: " + reason(error));
  }

  void close() noexcept override { beast::get_lowest_layer(stream_).close(); }

 private:
  std::string name_;
  Stream stream_;
};

/// A look-up that may be given up: getaddrinfo(3) in asio's thread cannot be, so its answer then falls on deaf ears.
struct LookUp {
  explicit LookUp(const asio::any_io_executor& executor) : resolver(executor), answered(executor) {}
  tcp::resolver resolver;
  AsyncEvent answered;
  bool done = false;
  ErrorCode error;
  tcp::resolver::results_type found;
};

asio::awaitable<std::vector<tcp::endpoint>> resolve(asio::any_io_executor executor, const UpstreamUrl& url) {
  const auto look_up = std::make_shared<LookUp>(executor);
  look_up->resolver.async_resolve(url.host, url.port,
                                  tcp::resolver::address_configured | tcp::resolver::numeric_service,
                                  [look_up](const ErrorCode& error, tcp::resolver::results_type found) {
                                    look_up->done = true;
                                    look_up->error = error;
                                    look_up->found = std::move(found);
                                    look_up->answered.notify();
                                  });
  while (!look_up->done) co_await look_up->answered.wait();
  if (look_up->error) {
    throw Error(endpoint_name(url) + ": the name " + url.host + " could not be resolved: " + look_up->error.message());
  }
  std::vector<tcp::endpoint> endpoints;
  for (const auto& entry : look_up->found) {
    if (url.tls || entry.endpoint().address().is_loopback()) endpoints.push_back(entry.endpoint());
  }
  if (endpoints.empty()) throw Error(endpoint_name(url) + ": the name has no loopback address, and http:// needs one");
  co_return endpoints;
}

std::string tls_reason(SSL* ssl, const ErrorCode& error) {
  const long verdict = SSL_get_verify_result(ssl);
  if (verdict != X509_V_OK) {
    return std::string("its certificate is not trusted: ") + X509_verify_cert_error_string(verdict);
  }
  return reason(error);
}

asio::awaitable<std::unique_ptr<Upstream>> connect_within(asio::any_io_executor executor, UpstreamUrl url,
                                                          TlsTrust& trust, std::chrono::milliseconds limit) {
  const std::string name = endpoint_name(url);
  const auto endpoints = co_await resolve(executor, url);
  beast::tcp_stream socket(executor);
  socket.expires_after(limit);
  const auto [error, endpoint] = co_await socket.async_connect(endpoints, asio::as_tuple(asio::use_awaitable));
  if (error) throw Error(name + ": connecting failed: " + reason(error));
  ErrorCode ignored;
  socket.socket().set_option(tcp::no_delay(true), ignored);
  if (!url.tls) co_return std::make_unique<Connection<beast::tcp_stream>>(name, std::move(socket));

  beast::ssl_stream<beast::tcp_stream> stream(std::move(socket), trust.context().context);
  SSL* const ssl = stream.native_handle();
  ErrorCode is_no_address;
  asio::ip::make_address(url.host, is_no_address);
  // RFC 6066, 3: literal addresses are no server names.
  if (is_no_address && SSL_set_tlsext_host_name(ssl, url.host.c_str()) != 1) {
    throw Error(name + ": the host's name is not one TLS can ask for");
  }
  static constexpr std::array<unsigned char, 9> http_1_1 = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
  SSL_set_alpn_protos(ssl, http_1_1.data(), http_1_1.size());
  stream.set_verify_callback(asio::ssl::host_name_verification(url.host));
  const auto [tls_error] =
      co_await stream.async_handshake(asio::ssl::stream_base::client, asio::as_tuple(asio::use_awaitable));
  if (tls_error) throw Error(name + ": " + tls_reason(ssl, tls_error));
  co_return std::make_unique<Connection<beast::ssl_stream<beast::tcp_stream>>>(name, std::move(stream));
}

}  // namespace

asio::awaitable<std::unique_ptr<Upstream>> Upstream::connect(asio::any_io_executor executor, UpstreamUrl url,
                                                             TlsTrust& trust, std::chrono::milliseconds limit) {
  std::unique_ptr<Upstream> connected;
  const std::string name = endpoint_name(url);
  const auto work = [&]() -> asio::awaitable<void> {
    connected = co_await connect_within(executor, url, trust, limit);
  };
  const std::size_t over = co_await race(work(), sleep_for(limit));
  if (over == 1) {
    throw Error(name + ": connecting took longer than " + std::to_string(limit.count() / 1000) + " s");
  }
  co_return connected;
}

}  // namespace agentvm::gateway
