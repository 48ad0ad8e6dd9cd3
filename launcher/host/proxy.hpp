// proxy.hpp - the caller's own HTTP proxy: which one the variables name, for which hosts, and what it is asked. Pure.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace agentvm::host {

struct ProxyUrl {
  bool tls = false;         ///< https://: TLS to the proxy itself
  std::string host;         ///< a name, an IPv4 address, or an IPv6 address without brackets
  std::string port;         ///< decimal
  std::string credentials;  ///< "user:password", decoded; "" for none. Never shown, never in a sandbox.
  /// For people: host and port, without credentials.
  std::string name() const;
  bool operator==(const ProxyUrl&) const = default;
};

/// A variable of the environment, or "" when it is not set.
using Variables = std::function<std::string(const std::string& name)>;

/// A proxy, and the hosts that go without it.
struct OwnProxy {
  ProxyUrl url;
  std::string no_proxy;  ///< as exempt_from_proxy takes it
  bool serves(const std::string& host, std::string_view port) const;
};

/// From https_proxy, else all_proxy (small letters first, as curl does), and no_proxy. nullopt: none. Throws Error,
/// which names the variable and shows no password, for other schemes than http and https.
std::optional<OwnProxy> own_proxy(const Variables& variables);

/// The proxy for one host; nullopt: none, or no_proxy names the host, or it is this machine. Throws as own_proxy; what
/// is not used is not judged.
std::optional<ProxyUrl> proxy_for(const std::string& host, std::string_view port, const Variables& variables);

/// Whether a no_proxy list names a host: "*", a name (with all names below it, a leading dot or not), an address, or a
/// network as 10.0.0.0/8; each may have :PORT behind it.
bool exempt_from_proxy(std::string_view no_proxy, const std::string& host, std::string_view port);

/// The request that makes a tunnel to HOST:PORT.
std::string connect_request(const ProxyUrl& proxy, const std::string& host, std::string_view port);
/// "Proxy-Authorization: ...\r\n", or "" without credentials.
std::string authorization_field(const ProxyUrl& proxy);

/// Whether the host names this machine: "localhost", 127.0.0.0/8 or ::1.
bool is_loopback_host(const std::string& host) noexcept;
/// 1 to 65535, in decimal.
bool is_port(std::string_view text) noexcept;

}  // namespace agentvm::host
