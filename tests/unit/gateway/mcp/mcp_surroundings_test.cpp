// mcp_surroundings_test.cpp - what a server of the real sandbox reaches and is given, and that each start is judged
// anew.
#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <string>
#include <thread>

#include "base/error.hpp"
#include "base/unique_fd.hpp"
#include "tests/unit/gateway/mcp/mcp_world.hpp"

namespace asio = boost::asio;
using namespace agentvm;
using namespace agentvm::test;
using namespace std::chrono_literals;
using nlohmann::json;

namespace {

/// Calls "reach" and returns what it found.
json reached(McpWorld& world, const json& arguments) {
  json found;
  world.test([&]() -> asio::awaitable<void> {
    const StreamPtr stream = co_await world.connect();
    const std::string line = call(1, "reach", arguments.dump());
    co_await stream->write(line);
    const std::string answer = co_await read_until(stream, "\n");
    found = json::parse(json::parse(answer)["result"]["content"][0]["text"].get<std::string>());
    stream->finish();
    co_await stream->read_all(1000);
  });
  return found;
}

/// A TCP server on the host's loopback that answers each connection with a status line and the head it got.
class HostServer {
 public:
  HostServer() : listener_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    REQUIRE(bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), size) == 0);
    REQUIRE(listen(listener_.get(), 8) == 0);
    REQUIRE(getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
    port = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  HostServer(const HostServer&) = delete;
  HostServer& operator=(const HostServer&) = delete;
  ~HostServer() {
    shutdown(listener_.get(), SHUT_RDWR);
    thread_.join();
  }
  int port = 0;

 private:
  void serve() const {
    for (;;) {
      const UniqueFd client(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (!client) return;
      std::string head(2000, '\0');
      const ssize_t got = ::read(client.get(), head.data(), head.size());
      head.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
      const std::string answer = "HTTP/1.1 200 OK\r\n\r\n" + head;
      [[maybe_unused]] const ssize_t sent = send(client.get(), answer.data(), answer.size(), MSG_NOSIGNAL);
    }
  }

  UniqueFd listener_;
  std::thread thread_;
};

/// An abstract unix socket of the host, as X11 and containerd have them.
UniqueFd abstract_socket(const std::string& name) {
  UniqueFd listener(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  name.copy(address.sun_path + 1, sizeof address.sun_path - 1);
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  REQUIRE(bind(listener.get(), reinterpret_cast<sockaddr*>(&address), size) == 0);
  REQUIRE(listen(listener.get(), 8) == 0);
  return listener;
}

}  // namespace

TEST_SUITE("gateway/mcp_surroundings") {
  TEST_CASE("a server has no network and no abstract socket of the host's") {
    if (!sandbox_works()) return;
    const HostServer host;
    const std::string name = "agentvm-test-" + std::to_string(getpid());
    const UniqueFd abstract = abstract_socket(name);
    McpWorld world;
    const json found =
        reached(world, {{"abstract", name}, {"port", host.port}, {"heads", {"CONNECT 127.0.0.1:1 HTTP/1.1\r\n\r\n"}}});
    CHECK(found["abstract"] == "refused");
    CHECK(found["loopback"] == "refused");
    CHECK(found["asked"] == json{"refused"});
    CHECK_FALSE(found["environment"].contains("HTTPS_PROXY"));
  }

  TEST_CASE("a server reaches the hosts that its profile names and no other") {
    if (!sandbox_works()) return;
    const HostServer host;
    const std::string name = "agentvm-test-" + std::to_string(getpid());
    const UniqueFd abstract = abstract_socket(name);
    const std::string place = "127.0.0.1:" + std::to_string(host.port);
    vmspec::McpSpec spec;
    spec.network = {place, "127.0.0.1:1"};
    McpWorld world({}, find_program("bwrap").value_or(""), spec);
    const json found = reached(
        world, {{"abstract", name},
                {"port", host.port},
                {"heads",
                 {"CONNECT " + place + " HTTP/1.1\r\n\r\n",
                  "CONNECT localhost:" + std::to_string(host.port) + " HTTP/1.1\r\n\r\n",
                  "GET http://" + place +
                      "/x HTTP/1.1\r\nConnection: keep-alive\r\nProxy-Authorization: Basic eA==\r\nA: b\r\n\r\n",
                  "GET / HTTP/1.1\r\n\r\n", "CONNECT 127.0.0.1:1 HTTP/1.1\r\n\r\n"}}});
    CHECK(found["abstract"] == "refused");
    CHECK(found["loopback"] == "refused");
    const auto asked = found["asked"].get<std::vector<std::string>>();
    CHECK(asked.at(0).starts_with("HTTP/1.1 200 Connection established"));
    CHECK(asked.at(1).starts_with("HTTP/1.1 403"));
    CHECK(asked.at(1).find("is not among the hosts that this sandbox may reach") != std::string::npos);
    CHECK(asked.at(2).find("GET /x HTTP/1.1\r\nConnection: close\r\nA: b\r\n\r\n") != std::string::npos);
    CHECK(asked.at(3).starts_with("HTTP/1.1 400"));
    CHECK(asked.at(4).starts_with("HTTP/1.1 502"));
    CHECK(found["environment"]["HTTPS_PROXY"] == "http://127.0.0.1:3128");
    CHECK(read_file(world.folder + "/mcp.log").find("agentvm: localhost:") != std::string::npos);
  }

  TEST_CASE("the caller's proxy is gone through and its password stays on the host") {
    if (!sandbox_works()) return;
    const HostServer proxy;
    setenv("HTTPS_PROXY", ("http://me:pass-word@127.0.0.1:" + std::to_string(proxy.port)).c_str(), 1);
    vmspec::McpSpec spec;
    spec.network = {"api.example"};
    McpWorld world({}, find_program("bwrap").value_or(""), spec);
    const json found =
        reached(world, {{"abstract", "x"}, {"port", 1}, {"heads", {"CONNECT api.example:443 HTTP/1.1\r\n\r\n"}}});
    unsetenv("HTTPS_PROXY");
    CHECK(found["asked"][0].get<std::string>().starts_with("HTTP/1.1 200"));
    CHECK(found.dump().find("pass-word") == std::string::npos);
  }

  TEST_CASE("an interpreter with its script and variables of the profile") {
    if (!sandbox_works()) return;
    vmspec::McpSpec spec;
    spec.command = {"/usr/bin/python3"};
    spec.env = {{"TOKEN", "t"}};
    McpWorld world({}, find_program("bwrap").value_or(""), spec);
    const json found = reached(world, {{"abstract", "x"}, {"port", 1}, {"heads", json::array()}});
    CHECK(found["environment"]["TOKEN"] == "t");
  }

  TEST_CASE("what was checked for one start is checked for the next") {
    if (!sandbox_works()) return;
    McpWorld world;
    make_directories(world.folder + "/workspace");
    world.test([&]() -> asio::awaitable<void> {
      co_await world.mcp->prestart();
      const StreamPtr first = co_await world.connect();
      REQUIRE(rename((world.folder + "/host/server").c_str(), (world.folder + "/workspace/server").c_str()) == 0);
      REQUIRE(symlink("../workspace/server", (world.folder + "/host/server").c_str()) == 0);
      CHECK_THROWS_WITH_AS(co_await world.connect(), doctest::Contains("a guest may write"), Error);
      first->finish();
      co_await first->read_all(1000);
    });
  }

  TEST_CASE("the last words of a server that died are told - cleaned") {
    if (!sandbox_works()) return;
    McpWorld world;
    world.test([&]() -> asio::awaitable<void> {
      const StreamPtr stream = co_await world.connect();
      co_await stream->write(call(1, "last words"));
      CHECK((co_await stream->read_all(1000)).empty());
    });
    REQUIRE(world.events.size() == 2);
    const json expected = {
        {"event", "mcp-ended"}, {"server", "test"}, {"code", 3}, {"words", "started\nno module named x]52;c;aGk="}};
    CHECK(world.events[1] == expected);
  }
}
