// proxy_rules.cpp - see proxy_rules.hpp.
#include "launcher/sandbox/proxy_rules.hpp"

#include <algorithm>
#include <charconv>

#include "base/error.hpp"

namespace agentvm::sandbox {

namespace {

constexpr std::uint16_t https_port = 443;
constexpr std::uint16_t http_port = 80;
constexpr std::size_t longest_host = 253;

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

struct HostPort {
  std::string host;
  std::optional<std::uint16_t> port;
};

bool is_host_byte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
}

/// HOST, HOST:PORT, [IPV6] or [IPV6]:PORT.
std::optional<HostPort> split_host_port(std::string_view text) {
  HostPort out;
  std::string_view rest;
  if (text.starts_with('[')) {
    const std::size_t end = text.find(']');
    if (end == std::string_view::npos) return std::nullopt;
    boost::system::error_code wrong;
    const auto address = boost::asio::ip::make_address_v6(std::string(text.substr(1, end - 1)), wrong);
    if (wrong) return std::nullopt;
    out.host = address.to_string();
    rest = text.substr(end + 1);
  } else {
    const std::size_t colon = std::min(text.find(':'), text.size());
    out.host = lower(text.substr(0, colon));
    while (out.host.ends_with('.')) out.host.pop_back();  // the same name, fully written
    if (out.host.empty() || out.host.size() > longest_host ||
        !std::all_of(out.host.begin(), out.host.end(), is_host_byte)) {
      return std::nullopt;
    }
    rest = text.substr(colon);
  }
  if (rest.empty()) return out;
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(rest.data() + 1, rest.data() + rest.size(), port);
  if (rest.front() != ':' || error != std::errc() || end != rest.data() + rest.size() || port == 0) return std::nullopt;
  out.port = port;
  return out;
}

bool is_literal(const std::string& host) {
  boost::system::error_code wrong;
  boost::asio::ip::make_address(host, wrong);
  return !wrong || host == "localhost";
}

bool is_own_business(const boost::asio::ip::address& address) {
  if (address.is_v6() && address.to_v6().is_v4_mapped()) {
    return is_own_business(boost::asio::ip::make_address_v4(boost::asio::ip::v4_mapped, address.to_v6()));
  }
  if (address.is_loopback() || address.is_multicast() || address.is_unspecified()) return true;
  if (address.is_v6()) return address.to_v6().is_link_local();
  const auto bytes = address.to_v4().to_bytes();
  return bytes[0] == 0 || bytes[0] == 127 || bytes[0] >= 240 || (bytes[0] == 169 && bytes[1] == 254);
}

bool is_private(const boost::asio::ip::address& address) {
  if (address.is_v6()) {
    const auto v6 = address.to_v6();
    if (v6.is_v4_mapped()) return is_private(boost::asio::ip::make_address_v4(boost::asio::ip::v4_mapped, v6));
    const auto bytes = v6.to_bytes();
    // Unique local (RFC 4193), site-local, and NAT64 and 6to4, which may wrap any IPv4 address.
    return (bytes[0] & 0xfe) == 0xfc || (bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0xc0) ||
           (bytes[0] == 0x00 && bytes[1] == 0x64) || (bytes[0] == 0x20 && bytes[1] == 0x02);
  }
  const auto bytes = address.to_v4().to_bytes();
  return bytes[0] == 10 || (bytes[0] == 172 && (bytes[1] & 0xf0) == 16) || (bytes[0] == 192 && bytes[1] == 168) ||
         (bytes[0] == 100 && (bytes[1] & 0xc0) == 64) || (bytes[0] == 198 && (bytes[1] & 0xfe) == 18);
}

}  // namespace

std::optional<ProxyTarget> parse_proxy_request(std::string_view line) {
  const std::size_t first = line.find(' ');
  const std::size_t last = line.rfind(' ');
  if (first == std::string_view::npos || first == 0 || last == first) return std::nullopt;
  const std::string_view version = line.substr(last + 1);
  if (version != "HTTP/1.1" && version != "HTTP/1.0") return std::nullopt;
  if (std::any_of(line.begin(), line.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; })) {
    return std::nullopt;
  }
  const std::string_view method = line.substr(0, first);
  std::string_view where = line.substr(first + 1, last - first - 1);
  ProxyTarget target;
  if (method == "CONNECT") {
    const auto place = split_host_port(where);
    if (!place || !place->port) return std::nullopt;
    return ProxyTarget{true, place->host, *place->port, {}};
  }
  constexpr std::string_view scheme = "http://";
  if (!lower(where.substr(0, scheme.size())).starts_with(scheme)) return std::nullopt;
  where.remove_prefix(scheme.size());
  const std::size_t slash = std::min(where.find_first_of("/?"), where.size());
  const auto place = split_host_port(where.substr(0, slash));
  if (!place) return std::nullopt;
  std::string path(where.substr(slash));
  if (!path.starts_with('/')) path.insert(0, "/");
  return ProxyTarget{false, place->host, place->port.value_or(http_port),
                     std::string(method) + " " + path + " " + std::string(version)};
}

Reach reach_of(const std::vector<std::string>& entries, const ProxyTarget& target) {
  Reach reach = Reach::none;
  for (const std::string& entry : entries) {
    if (entry == "*") {
      reach = std::max(reach, Reach::wildcard);
      continue;
    }
    const bool below = entry.starts_with("*.");
    const auto named = split_host_port(below ? std::string_view(entry).substr(2) : std::string_view(entry));
    if (!named || named->port.value_or(https_port) != target.port) continue;
    if (below && target.host.ends_with("." + named->host)) reach = std::max(reach, Reach::wildcard);
    if (!below && target.host == named->host)
      reach = std::max(reach, is_literal(named->host) ? Reach::literal : Reach::name);
  }
  return reach;
}

bool may_connect(Reach reach, const boost::asio::ip::address& address) {
  if (reach == Reach::none) return false;
  if (is_own_business(address)) return reach == Reach::literal;
  return reach != Reach::wildcard || !is_private(address);
}

std::optional<host::OwnProxy> proxy_of_host(const std::map<std::string, std::string>& environment) {
  auto proxy = host::own_proxy([&](const std::string& name) {
    const auto found = environment.find(name);
    return found == environment.end() ? std::string() : found->second;
  });
  if (proxy && proxy->url.tls) {
    throw Error(
        "the proxy " + proxy->url.name() + " is reached by https://, and a sandbox goes through http:// proxies alone",
        "Set HTTPS_PROXY=http://HOST:PORT, or HTTPS_PROXY= for none.");
  }
  return proxy;
}

}  // namespace agentvm::sandbox
