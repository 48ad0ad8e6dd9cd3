// upstream.hpp - one connection from the host to the model's endpoint, plain or TLS.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "launcher/gateway/http/upstream_url.hpp"
#include "launcher/host/proxy.hpp"

namespace agentvm::gateway {

/// The trusted certificates, read once at the first use: OpenSSL's default places, or SSL_CERT_FILE and SSL_CERT_DIR.
class TlsTrust {
 public:
  TlsTrust();
  ~TlsTrust();
  TlsTrust(const TlsTrust&) = delete;
  TlsTrust& operator=(const TlsTrust&) = delete;
  struct Context;
  /// Throws Error when OpenSSL cannot be set up.
  Context& context();

 private:
  std::unique_ptr<Context> context_;
};

/// Where to connect, and through what.
struct UpstreamRoute {
  UpstreamUrl url;
  std::optional<host::ProxyUrl> proxy = {};  ///< for https only
};

/// A connected endpoint. Every wait has a limit; a failure is an Error that names the endpoint.
class Upstream {
 public:
  virtual ~Upstream() = default;

  /// Resolves, connects and, for https, checks the certificate against the name, all within `limit`. Plain http goes
  /// only to addresses that are loopback ones after resolution. A proxy is asked for a tunnel, resolves the name, and
  /// sees nothing of what goes through. Throws Error; a proxy that refuses for good (4xx) is an HttpError 403. `trust`
  /// must outlive the connection.
  static boost::asio::awaitable<std::unique_ptr<Upstream>> connect(UpstreamRoute route, TlsTrust& trust,
                                                                   std::chrono::milliseconds limit);

  /// The next bytes; empty at the end.
  virtual boost::asio::awaitable<std::string> read(std::chrono::milliseconds limit) = 0;
  virtual boost::asio::awaitable<void> write(std::string bytes, std::chrono::milliseconds limit) = 0;
  /// Breaks the connection off: what waits on it fails.
  virtual void close() noexcept = 0;
};

}  // namespace agentvm::gateway
