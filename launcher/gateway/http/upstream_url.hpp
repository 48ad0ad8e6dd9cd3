// upstream_url.hpp - the address of the model's endpoint, taken apart and judged.
#pragma once

#include <string>
#include <string_view>

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

/// Whether the host names this machine: "localhost", 127.0.0.0/8 or ::1.
bool is_loopback_host(const std::string& host) noexcept;

/// 1 to 65535, in decimal.
bool is_port(std::string_view text) noexcept;

/// Takes https://HOST[:PORT][/PATH], and http:// for loopback hosts. Throws Error that names the address and the rule;
/// user names, queries and fragments are refused (a key does not belong into an address).
UpstreamUrl parse_upstream(const std::string& address);

}  // namespace agentvm::gateway
