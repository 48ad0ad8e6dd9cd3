// upstream.cpp - Beast's timed stream, with OpenSSL over it for https, through the host's proxy where it has one.
#include "launcher/gateway/http/upstream.hpp"

#include <fmt/format.h>
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
#include "launcher/gateway/http/dial.hpp"
#include "launcher/gateway/http/http_reader.hpp"

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

using Tls = beast::ssl_stream<beast::tcp_stream>;
/// To a proxy, for another one within: asio's own, which a TLS stream can lie over.
using OuterTls = asio::ssl::stream<beast::tcp_stream>;

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

/// A TCP connection; the caller limits the time.
asio::awaitable<beast::tcp_stream> connected(std::string host, std::string port, bool loopback_only, std::string name) {
  Endpoints endpoints;
  try {
    endpoints = co_await resolve(host, port);
  } catch (const boost::system::system_error& error) {
    throw Error(name + ": the name " + host + " could not be resolved: " + error.code().message());
  }
  if (loopback_only) {
    std::erase_if(endpoints, [](const tcp::endpoint& endpoint) { return !endpoint.address().is_loopback(); });
    if (endpoints.empty()) throw Error(name + ": the name has no loopback address, and http:// needs one");
  }
  try {
    auto dialling = dial(in_turn(endpoints));
    beast::tcp_stream stream(co_await std::move(dialling));
    ErrorCode ignored;
    stream.socket().set_option(tcp::no_delay(true), ignored);
    co_return stream;
  } catch (const boost::system::system_error& error) {
    throw Error(name + ": connecting failed: " + reason(error.code()));
  }
}

std::string tls_reason(SSL* ssl, const ErrorCode& error) {
  const long verdict = SSL_get_verify_result(ssl);
  if (verdict != X509_V_OK) {
    return std::string("its certificate is not trusted: ") + X509_verify_cert_error_string(verdict);
  }
  return reason(error);
}

/// Secure: a TLS stream over Lower.
template <typename Secure, typename Lower>
asio::awaitable<Secure> tls_over(Lower lower, std::string host, TlsTrust& trust, std::string name) {
  Secure stream(std::move(lower), trust.context().context);
  SSL* const ssl = stream.native_handle();
  ErrorCode is_no_address;
  asio::ip::make_address(host, is_no_address);
  // RFC 6066, 3: literal addresses are no server names.
  if (is_no_address && SSL_set_tlsext_host_name(ssl, host.c_str()) != 1) {
    throw Error(name + ": the host's name is not one TLS can ask for");
  }
  static constexpr std::array<unsigned char, 9> http_1_1 = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
  SSL_set_alpn_protos(ssl, http_1_1.data(), http_1_1.size());
  stream.set_verify_callback(asio::ssl::host_name_verification(host));
  const auto [tls_error] =
      co_await stream.async_handshake(asio::ssl::stream_base::client, asio::as_tuple(asio::use_awaitable));
  if (tls_error) throw Error(name + ": " + tls_reason(ssl, tls_error));
  co_return stream;
}

/// Asks the proxy for a tunnel. `name` says whose it is to be.
template <typename Stream>
asio::awaitable<void> open_tunnel(Stream& stream, const UpstreamRoute& route, std::string name) {
  const std::string proxy = name + ": the proxy " + route.proxy->name();
  const std::string request = host::connect_request(*route.proxy, route.url.host, route.url.port);
  const auto [failed, sent] =
      co_await asio::async_write(stream, asio::buffer(request), asio::as_tuple(asio::use_awaitable));
  if (failed) throw Error(proxy + ": " + reason(failed));
  // A tunnel has no body, whatever its answer's fields say (RFC 9110, 9.3.6).
  HttpReader answer(HttpKind::response, {.without_body = true});
  std::string bytes(read_bytes, '\0');
  try {
    while (!answer.head_done()) {
      const auto [error, size] =
          co_await stream.async_read_some(asio::buffer(bytes), asio::as_tuple(asio::use_awaitable));
      if (error) throw Error(proxy + " closed the connection without an answer");
      answer.feed(std::string_view(bytes).substr(0, size));
    }
  } catch (const HttpError& error) {
    throw Error(proxy + " sent a bad answer: " + error.what());
  }
  const int status = answer.head().status;
  if (status == 407) {
    throw HttpError(403, proxy + " asks for a user name and a password (407): put them into HTTPS_PROXY on the host");
  }
  if (status / 100 == 4) throw HttpError(403, fmt::format("{} refuses the connection ({})", proxy, status));
  if (status / 100 != 2) throw Error(fmt::format("{} answered with status {}", proxy, status));
  // A TLS server never speaks first.
  if (!answer.take_rest().empty()) throw Error(proxy + " sent more than its answer");
}

template <typename Stream>
std::unique_ptr<Upstream> finished(std::string name, Stream stream) {
  return std::make_unique<Connection<Stream>>(std::move(name), std::move(stream));
}

asio::awaitable<std::unique_ptr<Upstream>> connect_route(const UpstreamRoute& route, TlsTrust& trust) {
  const UpstreamUrl& url = route.url;
  const std::string name = endpoint_name(url);
  if (!route.proxy || !url.tls) {
    beast::tcp_stream stream = co_await connected(url.host, url.port, !url.tls, name);
    if (!url.tls) co_return finished(name, std::move(stream));
    auto secured = co_await tls_over<Tls>(std::move(stream), url.host, trust, name);
    co_return finished(name, std::move(secured));
  }
  const std::string proxy = name + ": the proxy " + route.proxy->name();
  beast::tcp_stream stream = co_await connected(route.proxy->host, route.proxy->port, false, proxy);
  if (!route.proxy->tls) {
    co_await open_tunnel(stream, route, name);
    auto secured = co_await tls_over<Tls>(std::move(stream), url.host, trust, name);
    co_return finished(name, std::move(secured));
  }
  auto outer = co_await tls_over<OuterTls>(std::move(stream), route.proxy->host, trust, proxy);
  co_await open_tunnel(outer, route, name);
  auto inner = co_await tls_over<beast::ssl_stream<OuterTls>>(std::move(outer), url.host, trust, name);
  co_return finished(name, std::move(inner));
}

}  // namespace

asio::awaitable<std::unique_ptr<Upstream>> Upstream::connect(UpstreamRoute route, TlsTrust& trust,
                                                             std::chrono::milliseconds limit) {
  std::unique_ptr<Upstream> connected;
  const auto work = [&]() -> asio::awaitable<void> { connected = co_await connect_route(route, trust); };
  const std::size_t over = co_await race(work(), sleep_for(limit));
  if (over == 1) {
    throw Error(endpoint_name(route.url) + ": connecting took longer than " + std::to_string(limit.count() / 1000) +
                " s");
  }
  co_return connected;
}

}  // namespace agentvm::gateway
