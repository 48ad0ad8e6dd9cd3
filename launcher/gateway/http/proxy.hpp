// proxy.hpp - the host's HTTP proxy: which one its variables name for a host, and what it is asked. Pure.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "launcher/gateway/http/upstream_url.hpp"

namespace agentvm::gateway {

struct ProxyUrl {
  bool tls = false;  ///< https://: TLS to the proxy itself
  std::string host;  ///< as UpstreamUrl's
  std::string port;
  std::string credentials;  ///< "user:password", decoded; "" for none. Never shown.
  /// For people: host and port, without credentials.
  std::string name() const;
  bool operator==(const ProxyUrl&) const = default;
};

/// A variable of the environment, or "" when it is not set.
using Variables = std::function<std::string(const std::string& name)>;

/// The proxy for an upstream: https_proxy, else all_proxy (small letters first, as curl does), unless no_proxy names
/// the host or it is this machine. nullopt: none. Throws Error, which names the variable and shows no password, for
/// other schemes than http and https.
std::optional<ProxyUrl> proxy_for(const UpstreamUrl& upstream, const Variables& variables);

/// Whether a no_proxy list names a host: "*", a name (with all names below it, a leading dot or not), an address, or a
/// network as 10.0.0.0/8; each may have :PORT behind it.
bool exempt_from_proxy(std::string_view no_proxy, const std::string& host, std::string_view port);

/// The request that makes a tunnel to the upstream.
std::string connect_request(const UpstreamUrl& upstream, const ProxyUrl& proxy);

}  // namespace agentvm::gateway
