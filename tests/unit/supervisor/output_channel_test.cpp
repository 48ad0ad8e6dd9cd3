// output_channel_test.cpp - readers lose nothing, late ones get the end of it, nobody holds up an unwatched agent.
#include "launcher/supervisor/output_channel.hpp"

#include <doctest/doctest.h>

#include "tests/unit/supervisor/served_link.hpp"

using namespace agentvm;
using supervisor::OutputChannel;

namespace {

/// A link whose /source sends `total` bytes and whose /read is attached to the channel the source is pumped into.
struct Fixture {
  std::size_t total;
  test::ServedLink pair;
  std::unique_ptr<OutputChannel> channel;  // has timers of pair.io

  explicit Fixture(std::size_t bytes) : total(bytes), pair([this](link::StreamPtr stream) { return serve(stream); }) {
    channel = std::make_unique<OutputChannel>(pair.io.get_executor(), -1);
  }
  static char byte_at(std::size_t position) { return static_cast<char>(position * 131 >> 5); }

  boost::asio::awaitable<void> serve(link::StreamPtr stream) {
    if (stream->path() == "/read") {
      stream->respond(200);
      OutputChannel::Reader reader(*channel);
      co_await channel->send(reader, stream);
      co_return;
    }
    for (std::size_t sent = 0; sent < total;) {
      std::string chunk(std::min<std::size_t>(10000, total - sent), '\0');
      for (std::size_t i = 0; i < chunk.size(); ++i) chunk[i] = byte_at(sent + i);
      sent += chunk.size();
      co_await stream->write(std::move(chunk));
    }
  }
  void pump() {
    boost::asio::co_spawn(pair.io, channel->pump(pair.client->open("GET", "/source", {}, true)), boost::asio::detached);
  }
};

}  // namespace

TEST_SUITE("supervisor/output_channel") {
  TEST_CASE("two attached readers get every byte of an output far larger than the ring") {
    Fixture f(8 << 20);
    f.pair.run([&]() -> boost::asio::awaitable<void> {
      const link::StreamPtr one = f.pair.client->open("GET", "/read", {}, true);
      const link::StreamPtr two = f.pair.client->open("GET", "/read", {}, true);
      co_await one->response();
      co_await two->response();
      f.pump();
      std::size_t second = 0;
      boost::asio::co_spawn(
          f.pair.io,
          [&, two]() -> boost::asio::awaitable<void> {
            for (std::string bytes = co_await two->read(); !bytes.empty(); bytes = co_await two->read())
              second += bytes.size();
          },
          boost::asio::detached);
      std::size_t first = 0;
      bool same = true;
      for (std::string bytes = co_await one->read(); !bytes.empty(); bytes = co_await one->read()) {
        for (std::size_t i = 0; i < bytes.size(); ++i) same = same && bytes[i] == Fixture::byte_at(first + i);
        first += bytes.size();
      }
      co_await two->closed();
      co_await sleep_for(std::chrono::milliseconds(20));
      CHECK(same);
      CHECK(first == f.total);
      CHECK(second == f.total);
    });
  }

  TEST_CASE("without readers the agent is not held up and a late one gets the last of it") {
    Fixture f(3 << 20);
    f.pair.run([&]() -> boost::asio::awaitable<void> {
      f.pump();
      co_await f.channel->drained();
      const link::StreamPtr late = f.pair.client->open("GET", "/read", {}, true);
      const std::string tail = co_await late->read_all(f.total);
      REQUIRE(tail.size() == OutputChannel::capacity);
      CHECK(tail.back() == Fixture::byte_at(f.total - 1));
      CHECK(tail.front() == Fixture::byte_at(f.total - tail.size()));
    });
  }

  TEST_CASE("a reader that leaves lets the output go on") {
    Fixture f(4 << 20);
    f.pair.run([&]() -> boost::asio::awaitable<void> {
      {
        const link::StreamPtr reader = f.pair.client->open("GET", "/read", {}, true);
        co_await reader->response();
        f.pump();
        co_await reader->read();
      }
      co_await f.channel->drained();
    });
  }
}
