// proxy_test.cpp - which proxy the host's variables name, and which hosts go without.
#include "launcher/host/proxy.hpp"

#include <doctest/doctest.h>

#include <map>
#include <string>

#include "base/error.hpp"
#include "tests/unit/has.hpp"

using namespace agentvm;
using namespace agentvm::host;
using test::has;

namespace {

std::optional<ProxyUrl> proxy_with(const std::map<std::string, std::string>& variables,
                                   const std::string& host = "api.example") {
  return proxy_for(host, "443", [&](const std::string& name) {
    const auto found = variables.find(name);
    return found == variables.end() ? std::string() : found->second;
  });
}

std::string error_with(const std::string& proxy) {
  try {
    proxy_with({{"HTTPS_PROXY", proxy}});
  } catch (const Error& error) {
    return std::string(error.what()) + "\n" + error.hint();
  }
  return "";
}

}  // namespace

TEST_SUITE("host/proxy") {
  TEST_CASE("the variables") {
    CHECK_FALSE(proxy_with({}));
    CHECK_FALSE(proxy_with({{"HTTP_PROXY", "http://p:1"}, {"http_proxy", "http://p:1"}}));
    CHECK(proxy_with({{"HTTPS_PROXY", "http://p.example:3128"}}) == ProxyUrl{false, "p.example", "3128", ""});
    CHECK(proxy_with({{"HTTPS_PROXY", "http://upper:1"}, {"https_proxy", "lower:2/"}})->name() == "lower:2");
    CHECK(proxy_with({{"ALL_PROXY", "http://all"}})->name() == "all:80");
    CHECK(proxy_with({{"all_proxy", "https://[fd00::1]"}}) == ProxyUrl{true, "fd00::1", "443", ""});
    CHECK(proxy_with({{"all_proxy", "https://[fd00::1]:8443/"}})->name() == "[fd00::1]:8443");
    CHECK_FALSE(proxy_with({{"HTTPS_PROXY", "http://p:1"}}, "127.0.0.1"));
    CHECK_FALSE(proxy_with({{"HTTPS_PROXY", "http://p:1"}}, "localhost"));
  }

  TEST_CASE("credentials are decoded sent and never shown") {
    const auto proxy = proxy_with({{"HTTPS_PROXY", "http://me:p%40ss/word@p.example:3128"}});
    REQUIRE(proxy);
    CHECK(proxy->credentials == "me:p@ss/word");
    CHECK(proxy->name() == "p.example:3128");
    CHECK(connect_request(*proxy, "api.example", "443") ==
          "CONNECT api.example:443 HTTP/1.1\r\nHost: api.example:443\r\n"
          "Proxy-Authorization: Basic bWU6cEBzcy93b3Jk\r\n\r\n");
    CHECK(connect_request({false, "p", "1", ""}, "2001:db8::1", "8443") ==
          "CONNECT [2001:db8::1]:8443 HTTP/1.1\r\nHost: [2001:db8::1]:8443\r\n\r\n");
    CHECK(proxy_with({{"HTTPS_PROXY", "http://me@p:1"}})->credentials == "me:");
    // Line ends within cannot end the field: they are encoded like any other byte.
    CHECK_FALSE(has(connect_request(*proxy_with({{"HTTPS_PROXY", "http://a%0d%0aX:y@p:1"}}), "a", "443"), "X"));
  }

  TEST_CASE("what is no proxy of ours") {
    for (const char* text : {"socks5://me:secret@p:1080", "http://me:secret@", "http://me:secret@p:99999",
                             "http://me:secret%zz@p:1", "http://me:secret@p q:1", "ftp://p"}) {
      const std::string error = error_with(text);
      CHECK_MESSAGE(has(error, "HTTPS_PROXY"), text);
      CHECK_MESSAGE(has(error, "NO_PROXY"), text);
      CHECK_MESSAGE(!has(error, "secret"), text);
    }
  }

  TEST_CASE("NO_PROXY") {
    const auto exempt = [](const char* list, const char* host, const char* port = "443") {
      return exempt_from_proxy(list, host, port);
    };
    for (const char* list : {"*", "api.example", "API.Example", "example", ".example", "*.example", "a.b, example",
                             "x,example:443", "x api.example"}) {
      CHECK_MESSAGE(exempt(list, "api.example"), list);
    }
    for (const char* list :
         {"", "pi.example", "api.example:80", "ample", "x.api.example", "10.0.0.0/8", "api.example.org"}) {
      CHECK_MESSAGE(!exempt(list, "api.example"), list);
    }
    CHECK(exempt("10.0.0.0/8", "10.1.2.3"));
    CHECK(exempt("10.1.2.3", "10.1.2.3"));
    CHECK(exempt("10.1.2.3:443", "10.1.2.3"));
    CHECK_FALSE(exempt("10.0.0.0/8", "11.1.2.3"));
    CHECK_FALSE(exempt("10.0.0.0/33", "10.1.2.3"));
    CHECK(exempt("fd00::/8", "fd00::1"));
    CHECK_FALSE(exempt("10.0.0.0/8", "fd00::1"));
    CHECK_FALSE(proxy_with({{"HTTPS_PROXY", "http://p:1"}, {"NO_PROXY", "example"}}));
    CHECK_FALSE(proxy_with({{"HTTPS_PROXY", "http://p:1"}, {"no_proxy", "*"}}));
  }
}
