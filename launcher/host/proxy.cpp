// proxy.cpp - see proxy.hpp. The variables are those of curl(1), and no_proxy is read as Go and curl read it.
#include "launcher/host/proxy.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <boost/beast/core/string.hpp>
#include <charconv>
#include <vector>

#include "base/error.hpp"
#include "base/text.hpp"
#include "base/wire/base64.hpp"

namespace agentvm::host {

using boost::beast::iequals;

namespace {

std::string in_brackets(const std::string& host) {
  return host.find(':') == std::string::npos ? host : "[" + host + "]";
}

/// %40 and its like; nullopt for what is not written so.
std::optional<std::string> decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    unsigned value = 0;
    const char* const digits = text.data() + i + 1;
    if (text.size() - i < 3 || std::from_chars(digits, digits + 2, value, 16).ptr != digits + 2) return std::nullopt;
    out += static_cast<char>(value);
    i += 2;
  }
  return out;
}

/// HOST, HOST:PORT, [V6] and [V6]:PORT taken apart; false when it is none of them.
bool split_authority(std::string_view text, std::string& host, std::string& port) {
  std::size_t end = std::min(text.find(':'), text.size());
  if (text.starts_with('[')) {
    end = text.find(']');
    if (end == std::string_view::npos) return false;
    host = text.substr(1, end - 1);
    ++end;
  } else {
    host = text.substr(0, end);
  }
  const bool is_host = !host.empty() && std::all_of(host.begin(), host.end(), [](char c) {
    return c > 0x20 && c < 0x7f && c != '/' && c != '?' && c != '#' && c != '@';
  });
  if (!is_host || end == text.size()) return is_host;
  port = text.substr(end + 1);
  return text[end] == ':' && is_port(port);
}

ProxyUrl parse_proxy(std::string_view text, const std::string& variable) {
  const auto refuse = [&](const std::string& why) {
    return Error(fmt::format("{}: {}", variable, why),
                 "Write it as http://HOST:PORT, or name the hosts that need none in NO_PROXY.");
  };
  ProxyUrl proxy;
  if (const std::size_t colons = text.find("://"); colons != std::string_view::npos) {
    const std::string_view scheme = text.substr(0, colons);
    proxy.tls = iequals(scheme, "https");
    if (!proxy.tls && !iequals(scheme, "http")) {
      throw refuse(fmt::format("{}:// is none of the schemes that agentvm's proxies may have, http:// and https://",
                               plain_line(scheme, 20)));
    }
    text.remove_prefix(colons + 3);
  }
  proxy.port = proxy.tls ? "443" : "80";
  // A password may hold a slash that nobody encoded: the last @ ends it.
  if (const std::size_t at = text.rfind('@'); at != std::string_view::npos) {
    const auto credentials = decoded(text.substr(0, at));
    if (!credentials) throw refuse("its user name or password holds a % that starts no two hexadecimal digits");
    proxy.credentials = *credentials;
    if (proxy.credentials.find(':') == std::string::npos) proxy.credentials += ':';
    text.remove_prefix(at + 1);
  }
  text = text.substr(0, text.find('/'));
  if (!split_authority(text, proxy.host, proxy.port)) throw refuse("it does not name a host and a port");
  return proxy;
}

/// An IPv4 or IPv6 address as bytes; empty when it is neither.
std::vector<unsigned char> address_bytes(const std::string& text) {
  std::vector<unsigned char> bytes(sizeof(in6_addr));
  if (inet_pton(AF_INET6, text.c_str(), bytes.data()) == 1) return bytes;
  bytes.resize(sizeof(in_addr));
  if (inet_pton(AF_INET, text.c_str(), bytes.data()) == 1) return bytes;
  return {};
}

bool in_network(const std::vector<unsigned char>& address, std::string_view network) {
  const std::size_t slash = network.find('/');
  const std::vector<unsigned char> base = address_bytes(std::string(network.substr(0, slash)));
  if (address.empty() || base.size() != address.size()) return false;
  std::size_t bits = base.size() * 8;
  if (slash != std::string_view::npos) {
    const std::string_view length = network.substr(slash + 1);
    const auto [end, error] = std::from_chars(length.data(), length.data() + length.size(), bits);
    if (error != std::errc{} || end != length.data() + length.size() || bits > base.size() * 8) return false;
  }
  for (std::size_t bit = 0; bit < bits; ++bit) {
    const auto mask = static_cast<unsigned char>(0x80U >> bit % 8);
    if ((address[bit / 8] & mask) != (base[bit / 8] & mask)) return false;
  }
  return true;
}

bool names_host(std::string_view entry, const std::string& host, std::string_view port) {
  if (entry == "*") return true;
  const std::vector<unsigned char> address = address_bytes(host);
  if (in_network(address, entry)) return true;
  std::string name, entry_port;
  if (!split_authority(entry, name, entry_port) || (!entry_port.empty() && entry_port != port)) return false;
  if (!address.empty()) return in_network(address, name);
  if (name.starts_with("*.")) name.erase(0, 1);
  if (name.starts_with('.')) name.erase(0, 1);
  if (iequals(host, name)) return true;
  const std::string below = "." + name;
  return host.size() > below.size() && iequals(std::string_view(host).substr(host.size() - below.size()), below);
}

std::string exempt_hosts(const Variables& variables) {
  return variables("no_proxy") + "," + variables("NO_PROXY");
}

}  // namespace

std::string ProxyUrl::name() const {
  return in_brackets(host) + ":" + port;
}

bool exempt_from_proxy(std::string_view no_proxy, const std::string& host, std::string_view port) {
  while (!no_proxy.empty()) {
    const std::size_t end = std::min(no_proxy.find_first_of(", \t"), no_proxy.size());
    if (end > 0 && names_host(no_proxy.substr(0, end), host, port)) return true;
    no_proxy.remove_prefix(std::min(end + 1, no_proxy.size()));
  }
  return false;
}

bool OwnProxy::serves(const std::string& target, std::string_view port) const {
  return !is_loopback_host(target) && !exempt_from_proxy(no_proxy, target, port);
}

std::optional<OwnProxy> own_proxy(const Variables& variables) {
  for (const char* name : {"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"}) {
    const std::string value = variables(name);
    if (!value.empty()) return OwnProxy{parse_proxy(value, name), exempt_hosts(variables)};
  }
  return std::nullopt;
}

std::optional<ProxyUrl> proxy_for(const std::string& host, std::string_view port, const Variables& variables) {
  if (is_loopback_host(host) || exempt_from_proxy(exempt_hosts(variables), host, port)) return std::nullopt;
  const auto proxy = own_proxy(variables);
  return proxy ? std::optional(proxy->url) : std::nullopt;
}

std::string authorization_field(const ProxyUrl& proxy) {
  if (proxy.credentials.empty()) return {};
  return "Proxy-Authorization: Basic " + guest::base64_encode(proxy.credentials) + "\r\n";
}

std::string connect_request(const ProxyUrl& proxy, const std::string& host, std::string_view port) {
  const std::string target = in_brackets(host) + ":" + std::string(port);
  return fmt::format("CONNECT {0} HTTP/1.1\r\nHost: {0}\r\n{1}\r\n", target, authorization_field(proxy));
}

bool is_port(std::string_view text) noexcept {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc{} && end == text.data() + text.size() && value > 0 && value < 65536;
}

bool is_loopback_host(const std::string& host) noexcept {
  if (host == "localhost") return true;
  in_addr v4{};
  if (inet_pton(AF_INET, host.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24) == 127;
  in6_addr v6{};
  return inet_pton(AF_INET6, host.c_str(), &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

}  // namespace agentvm::host
