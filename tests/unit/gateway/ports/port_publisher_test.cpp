// port_publisher_test.cpp - a port of the host leads over a link to a program that listens on loopback, as in a guest.
#include "launcher/gateway/ports/port_publisher.hpp"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <thread>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/socket_relay.hpp"
#include "tests/unit/gateway/link_pair.hpp"
#include "tests/unit/has.hpp"

namespace agentvm::gateway {

namespace {

/// Connects to a published port, says something, closes its half, and reads to the end. Blocks.
std::string say_to_published(std::uint16_t port, std::string_view words) {
  const UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0) return "refused";
  write_all(fd.get(), words);
  shutdown(fd.get(), SHUT_WR);
  std::string answer;
  char buffer[4096];
  for (ssize_t got = 0; (got = read(fd.get(), buffer, sizeof buffer)) > 0;) {
    answer.append(buffer, static_cast<std::size_t>(got));
  }
  return answer;
}

}  // namespace

TEST_CASE("a published port") {
  // The link's server stands for the guest: it turns what it gets to upper case, and refuses port 2.
  test::LinkPair link;
  std::string path;
  link.handler = [&path](link::StreamPtr stream) -> boost::asio::awaitable<void> {
    path = stream->path();
    if (path == "/connect/2") {
      stream->respond(502);
      co_return;
    }
    stream->respond(200);
    std::string words = co_await stream->read_all(std::size_t{1} << 20);
    for (char& c : words) c = static_cast<char>(c >= 'a' && c <= 'z' ? c - 32 : c);
    co_await stream->write(std::move(words));
  };
  const auto open_port = std::make_shared<PortPublisher>("127.0.0.1", 0, 8000);
  const auto refused_port = std::make_shared<PortPublisher>("127.0.0.1", 0, 2);
  REQUIRE(open_port->port() != 0);
  const auto control = [&link] { return link.guest; };
  for (const auto& publisher : {open_port, refused_port}) {
    boost::asio::co_spawn(link.io, PortPublisher::serve(publisher, control), boost::asio::detached);
  }
  const std::string many(300'000, 'x');
  std::string answer, long_answer, nothing, closed;
  bool done = false;
  std::thread caller([&] {
    answer = say_to_published(open_port->port(), "hello");
    long_answer = say_to_published(open_port->port(), many);
    nothing = say_to_published(refused_port->port(), "hello");
    boost::asio::post(link.io, [&] {
      open_port->close();
      refused_port->close();
      done = true;
    });
  });
  link.test([&]() -> boost::asio::awaitable<void> {
    while (!done) co_await sleep_for(std::chrono::milliseconds(5));
  });
  caller.join();
  closed = say_to_published(open_port->port(), "hello");
  CHECK(answer == "HELLO");
  CHECK(long_answer == std::string(many.size(), 'X'));
  CHECK(nothing.empty());
  CHECK(closed == "refused");
  CHECK(path == "/connect/2");
}

TEST_CASE("a port that cannot be published is named") {
  const PortPublisher taken("127.0.0.1", 0, 80);
  try {
    const PortPublisher again("127.0.0.1", taken.port(), 80);
    FAIL("published twice");
  } catch (const Error& error) {
    CHECK(test::has(error.what(), "publishing port 80 of the guest on 127.0.0.1:" + std::to_string(taken.port())));
    CHECK(test::has(error.hint(), "network.publish"));
  }
  CHECK_THROWS_AS(PortPublisher("192.0.2.1", 0, 80), Error);
  CHECK_THROWS_AS(PortPublisher("nonsense", 0, 80), Error);
}

}  // namespace agentvm::gateway
