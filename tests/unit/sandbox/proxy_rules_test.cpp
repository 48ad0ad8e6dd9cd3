// proxy_rules_test.cpp - requests as a hostile sandbox may write them, lists of hosts, and addresses that names lead
// to.
#include "launcher/sandbox/proxy_rules.hpp"

#include <doctest/doctest.h>

#include "base/error.hpp"

namespace agentvm::sandbox {

namespace {

using Hosts = std::vector<std::string>;

Reach reach(const Hosts& hosts, const std::string& host, std::uint16_t port = 443) {
  return reach_of(hosts, {true, host, port, {}});
}

bool may(Reach how, const char* address) {
  return may_connect(how, boost::asio::ip::make_address(address));
}

}  // namespace

TEST_CASE("requests to a proxy") {
  const auto tunnel = parse_proxy_request("CONNECT Search.NixOS.org.:443 HTTP/1.1");
  REQUIRE(tunnel);
  CHECK(tunnel->tunnel);
  CHECK(tunnel->host == "search.nixos.org");
  CHECK(tunnel->port == 443);
  CHECK(parse_proxy_request("CONNECT [2001:DB8::1]:8443 HTTP/1.0")->host == "2001:db8::1");
  const auto plain = parse_proxy_request("GET http://cache.lan:5000/nix-cache-info HTTP/1.1");
  REQUIRE(plain);
  CHECK_FALSE(plain->tunnel);
  CHECK(plain->port == 5000);
  CHECK(plain->origin == "GET /nix-cache-info HTTP/1.1");
  CHECK(parse_proxy_request("GET HTTP://a?x HTTP/1.1")->origin == "GET /?x HTTP/1.1");
  CHECK(parse_proxy_request("GET http://a/ HTTP/1.1")->port == 80);
  for (const char* line :
       {"", " ", "CONNECT", "CONNECT a HTTP/1.1", "CONNECT a:443", "CONNECT a:0 HTTP/1.1", "CONNECT a:99999 HTTP/1.1",
        "CONNECT a:443x HTTP/1.1", "CONNECT a:443 HTTP/2", "CONNECT :443 HTTP/1.1", "CONNECT a b:443 HTTP/1.1",
        "CONNECT [::1:443 HTTP/1.1", "CONNECT user@a:443 HTTP/1.1", "GET / HTTP/1.1", "GET https://a/ HTTP/1.1",
        "GET http:///x HTTP/1.1", "GET http://a/\x01 HTTP/1.1", "CONNECT a\r:443 HTTP/1.1"}) {
    CAPTURE(line);
    CHECK_FALSE(parse_proxy_request(line));
  }
}

TEST_CASE("hosts by name - below a domain - at a port") {
  const Hosts hosts = {"api.example", "*.nixos.org", "local.example:8443", "127.0.0.1:99"};
  CHECK(reach(hosts, "api.example") == Reach::name);
  CHECK(reach(hosts, "api.example", 80) == Reach::none);
  CHECK(reach(hosts, "x.api.example") == Reach::none);
  CHECK(reach(hosts, "search.nixos.org") == Reach::wildcard);
  CHECK(reach(hosts, "nixos.org") == Reach::none);
  CHECK(reach(hosts, "evilnixos.org") == Reach::none);
  CHECK(reach(hosts, "local.example") == Reach::none);
  CHECK(reach(hosts, "local.example", 8443) == Reach::name);
  CHECK(reach(hosts, "127.0.0.1", 99) == Reach::literal);
  CHECK(reach({"*"}, "any.example", 1234) == Reach::wildcard);
  CHECK(reach({"*", "cache.lan:80"}, "cache.lan", 80) == Reach::name);
  CHECK(reach({}, "api.example") == Reach::none);
}

TEST_CASE("addresses: the host itself for nobody but who names it - private ones for a name of its own") {
  for (const char* address :
       {"127.0.0.1", "127.8.0.1", "::1", "169.254.169.254", "fe80::1", "0.0.0.0", "::", "::ffff:127.0.0.1",
        "::ffff:169.254.169.254", "224.0.0.1", "ff02::1", "255.255.255.255"}) {
    CAPTURE(address);
    CHECK_FALSE(may(Reach::wildcard, address));
    CHECK_FALSE(may(Reach::name, address));
    CHECK(may(Reach::literal, address));
  }
  for (const char* address : {"10.1.2.3", "172.16.0.1", "172.31.255.1", "192.168.1.1", "100.64.0.1", "198.18.0.1",
                              "fd00::1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::1"}) {
    CAPTURE(address);
    CHECK_FALSE(may(Reach::wildcard, address));
    CHECK(may(Reach::name, address));
  }
  for (const char* address : {"1.1.1.1", "172.32.0.1", "2606:4700::1111"}) {
    CAPTURE(address);
    CHECK(may(Reach::wildcard, address));
    CHECK_FALSE(may(Reach::none, address));
  }
}

TEST_CASE("the caller's proxy - its password and what goes without it") {
  CHECK_FALSE(proxy_of_host({}));
  CHECK_FALSE(proxy_of_host({{"HTTPS_PROXY", ""}}));
  const auto proxy = proxy_of_host(
      {{"HTTPS_PROXY", "http://me:p%40ss@proxy.lan:3128/"}, {"NO_PROXY", "localhost, .corp.lan,Git.example"}});
  REQUIRE(proxy);
  CHECK(proxy->url.host == "proxy.lan");
  CHECK(proxy->url.port == "3128");
  CHECK(proxy->url.credentials == "me:p@ss");
  CHECK(proxy->serves("search.nixos.org", "443"));
  for (const char* name : {"localhost", "corp.lan", "x.corp.lan", "git.example"})
    CHECK_FALSE(proxy->serves(name, "443"));
  CHECK(proxy_of_host({{"https_proxy", "proxy"}})->url.port == "80");
  CHECK_FALSE(proxy_of_host({{"https_proxy", "p:1"}, {"no_proxy", "*"}})->serves("a", "443"));
  CHECK_THROWS_WITH_AS(proxy_of_host({{"https_proxy", "socks5h://p:1"}}), doctest::Contains("socks5h://"), Error);
  CHECK_THROWS_AS(proxy_of_host({{"https_proxy", "http://:1"}}), Error);
  CHECK_THROWS_WITH_AS(proxy_of_host({{"https_proxy", "https://p:1"}}), doctest::Contains("http:// proxies alone"),
                       Error);
}

}  // namespace agentvm::sandbox
