// upstream_url.cpp - see upstream_url.hpp.
#include "launcher/gateway/http/upstream_url.hpp"

#include <arpa/inet.h>

#include <algorithm>

#include "base/error.hpp"
#include "launcher/host/proxy.hpp"

namespace agentvm::gateway {

namespace {

bool is_host_char(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_';
}

/// Printable ASCII without what would end or split a request line.
bool is_path_char(char c) noexcept {
  return c > 0x20 && c < 0x7f && c != '?' && c != '#';
}

}  // namespace

std::string UpstreamUrl::host_field() const {
  std::string text = host.find(':') == std::string::npos ? host : "[" + host + "]";
  if (port != (tls ? "443" : "80")) text += ":" + port;
  return text;
}

UpstreamUrl parse_upstream(const std::string& address) {
  const auto refuse = [&](const std::string& why) {
    // Whatever stands before an @ may be a password.
    const bool shown = address.find('@') == std::string::npos;
    return Error("model.upstream" + (shown ? " \"" + address + "\"" : std::string()) + ": " + why,
                 "Write it as https://HOST/PATH, for example https://api.openai.com/v1.");
  };
  UpstreamUrl url;
  std::string_view rest = address;
  if (rest.starts_with("https://")) {
    rest.remove_prefix(8);
  } else if (rest.starts_with("http://")) {
    url.tls = false;
    rest.remove_prefix(7);
  } else {
    throw refuse("only https:// and, for loopback hosts, http:// are spoken");
  }
  const std::size_t slash = std::min(rest.find_first_of("/?#"), rest.size());
  std::string_view authority = rest.substr(0, slash);
  std::string_view path = rest.substr(slash);
  if (authority.find('@') != std::string_view::npos) throw refuse("user names and passwords are not taken here");
  if (authority.starts_with('[')) {
    const std::size_t close = authority.find(']');
    if (close == std::string_view::npos) throw refuse("the IPv6 address has no closing bracket");
    url.host = authority.substr(1, close - 1);
    in6_addr v6{};
    if (inet_pton(AF_INET6, url.host.c_str(), &v6) != 1) throw refuse("the IPv6 address is not one");
    authority.remove_prefix(close + 1);
  } else {
    const std::size_t colon = std::min(authority.find(':'), authority.size());
    url.host = authority.substr(0, colon);
    if (url.host.empty() || !std::all_of(url.host.begin(), url.host.end(), is_host_char)) {
      throw refuse("the host is not a name or an address");
    }
    authority.remove_prefix(colon);
  }
  url.port = url.tls ? "443" : "80";
  if (!authority.empty()) {
    if (authority.front() != ':' || !host::is_port(authority.substr(1))) throw refuse("the port must be 1 to 65535");
    url.port = authority.substr(1);
  }
  if (!std::all_of(path.begin(), path.end(), is_path_char)) {
    throw refuse("the path must be printable ASCII without ? and #");
  }
  while (path.ends_with('/')) path.remove_suffix(1);
  url.base_path = path;
  if (!url.tls && !host::is_loopback_host(url.host)) {
    throw refuse("http:// is for loopback hosts only, since it would show the key to the network");
  }
  return url;
}

}  // namespace agentvm::gateway
