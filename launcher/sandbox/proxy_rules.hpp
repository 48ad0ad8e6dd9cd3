// proxy_rules.hpp - which hosts a sandbox may reach through its way out: pure, text and addresses in, a verdict out.
#pragma once

#include <boost/asio/ip/address.hpp>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "launcher/host/proxy.hpp"

namespace agentvm::sandbox {

/// What is asked for in a request's first line.
struct ProxyTarget {
  bool tunnel = false;  ///< CONNECT; else a plain http request, which `origin` is the first line of for its server
  std::string host;     ///< lower case, an IPv6 address without its brackets
  std::uint16_t port = 0;
  std::string origin;
};
/// "CONNECT HOST:PORT HTTP/1.x" or "METHOD http://HOST[:PORT][/PATH] HTTP/1.x", without the line's end. nullopt:
/// anything else.
std::optional<ProxyTarget> parse_proxy_request(std::string_view line);

/// How far an entry of the list reaches.
enum class Reach {
  none,      ///< no entry names the host
  wildcard,  ///< "*" or "*.DOMAIN": public addresses alone
  name,      ///< a name of its own: private networks as well
  literal,   ///< an address, or localhost: that address, whatever it is
};
/// The entries are HOST[:PORT], "*.DOMAIN[:PORT]" (what lies below it) or "*" (any host, any port); without a port 443
/// is meant.
Reach reach_of(const std::vector<std::string>& entries, const ProxyTarget& target);

/// Whether an address that the host's name has led to may be connected to. Loopback, link-local (the metadata services
/// of clouds), multicast and unspecified addresses are the host's own business, also written as IPv4 within IPv6.
bool may_connect(Reach reach, const boost::asio::ip::address& address);

/// The caller's own proxy, which a sandbox's connections go through. nullopt: there is none. Throws Error for one that
/// is no http:// proxy: TLS to the proxy itself is not spoken here.
std::optional<host::OwnProxy> proxy_of_host(const std::map<std::string, std::string>& environment);

}  // namespace agentvm::sandbox
