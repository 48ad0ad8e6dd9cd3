// dial_test.cpp - several addresses, of which some are dead, silent or slow.
#include "launcher/gateway/http/dial.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/system/system_error.hpp>
#include <chrono>
#include <functional>
#include <list>
#include <optional>

#include "base/async/event.hpp"
#include "base/async/race.hpp"
#include "base/unique_fd.hpp"

namespace asio = boost::asio;
using namespace agentvm;
using namespace std::chrono_literals;
using asio::ip::tcp;
using gateway::Endpoints;

namespace {

tcp::endpoint at(const char* address, unsigned short port) {
  return {asio::ip::make_address(address), port};
}

/// An address that answers nothing, as behind a dead route: its queue of connections is full, so the kernel drops SYNs.
struct Silent {
  explicit Silent(asio::io_context& io) : acceptor(io, tcp::endpoint(asio::ip::make_address("127.0.0.1"), 0)) {
    listen(acceptor.native_handle(), 0);
    const auto endpoint = acceptor.local_endpoint();
    for (int i = 0; i < 4; ++i) {
      UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
      [[maybe_unused]] const int result = connect(fd.get(), endpoint.data(), static_cast<socklen_t>(endpoint.size()));
      waiting.push_back(std::move(fd));
    }
  }
  tcp::endpoint endpoint() const { return acceptor.local_endpoint(); }
  tcp::acceptor acceptor;
  std::list<UniqueFd> waiting;
};

struct Outcome {
  std::optional<tcp::endpoint> peer;
  std::string error;
  std::chrono::steady_clock::duration time{};
};

Outcome dialled(asio::io_context& io, Endpoints endpoints, std::chrono::milliseconds limit = 5s) {
  Outcome outcome;
  const auto start = std::chrono::steady_clock::now();
  const auto dialling = [&]() -> asio::awaitable<void> {
    try {
      const tcp::socket socket = co_await gateway::dial(endpoints);
      outcome.peer = socket.remote_endpoint();
    } catch (const boost::system::system_error& error) {
      outcome.error = error.code().message();
    }
    outcome.time = std::chrono::steady_clock::now() - start;
  };
  const auto limited = [&]() -> asio::awaitable<void> { co_await race(dialling(), sleep_for(limit)); };
  bool done = false;
  asio::co_spawn(io, limited, [&](const std::exception_ptr&) { done = true; });
  io.restart();
  while (!done && io.run_one() > 0) {
  }
  REQUIRE(done);
  io.poll();
  return outcome;
}

}  // namespace

TEST_SUITE("gateway/dial") {
  TEST_CASE("an address that does not answer delays the next by a quarter of a second") {
    asio::io_context io{1};
    const Silent silent(io);
    const tcp::acceptor good(io, at("127.0.0.1", 0));
    const Outcome outcome = dialled(io, {silent.endpoint(), good.local_endpoint()});
    CHECK(outcome.peer == good.local_endpoint());
    CHECK(outcome.time >= gateway::attempt_delay);
    CHECK(outcome.time < 2s);
  }

  TEST_CASE("an address that refuses delays nothing") {
    asio::io_context io{1};
    const tcp::acceptor good(io, at("127.0.0.1", 0));
    const Outcome outcome =
        dialled(io, {at("127.0.0.1", 1), at("127.0.0.2", 1), at("127.0.0.3", 1), good.local_endpoint()});
    CHECK(outcome.peer == good.local_endpoint());
    CHECK(outcome.time < gateway::attempt_delay);
  }

  TEST_CASE("an IPv6 address that refuses before a live IPv4 one") {
    asio::io_context io{1};
    const tcp::acceptor good(io, at("127.0.0.1", 0));
    const Outcome outcome = dialled(io, {at("::1", 1), good.local_endpoint()});
    CHECK(outcome.peer == good.local_endpoint());
    CHECK(outcome.time < 2s);
  }

  TEST_CASE("when all fail the last one's reason is told and cancelling ends every attempt") {
    asio::io_context io{1};
    CHECK(dialled(io, {at("127.0.0.1", 1), at("127.0.0.2", 1)}).error == "Connection refused");
    CHECK(dialled(io, {}).error != "");
    const Silent silent(io);
    const Outcome outcome = dialled(io, {silent.endpoint(), silent.endpoint()}, 600ms);
    CHECK_FALSE(outcome.peer);
  }

  TEST_CASE("families take turns and the first one stays first") {
    const auto six = at("::1", 1), six2 = at("::2", 1), four = at("127.0.0.1", 1), four2 = at("127.0.0.2", 1);
    CHECK(gateway::in_turn({six, six2, four, four2}) == Endpoints{six, four, six2, four2});
    CHECK(gateway::in_turn({four, four2, six}) == Endpoints{four, six, four2});
    CHECK(gateway::in_turn({}).empty());
  }
}
