// upstream_url.hpp - the address of the model's endpoint, taken apart and judged.
#pragma once

#include <string>

namespace agentvm::gateway {

struct UpstreamUrl {
  bool tls = true;
  std::string host;       ///< a name, an IPv4 address, or an IPv6 address without brackets
  std::string port;       ///< decimal
  std::string base_path;  ///< "" or "/..." without a trailing slash
  /// What a Host field says: brackets around IPv6, the port only when it is not the scheme's own.
  std::string host_field() const;
  bool operator==(const UpstreamUrl&) const = default;
};

/// Takes https://HOST[:PORT][/PATH], and http:// for loopback hosts. Throws Error that names the address and the rule;
/// user names, queries and fragments are refused (a key does not belong into an address).
UpstreamUrl parse_upstream(const std::string& address);

}  // namespace agentvm::gateway
