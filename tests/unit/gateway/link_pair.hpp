// link_pair.hpp - both ends of a service link in one io_context, for tests of what serves it.
#pragma once

#include <doctest/doctest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/async/event.hpp"
#include "base/error.hpp"
#include "base/link/link.hpp"
#include "base/unix_socket.hpp"

namespace agentvm::test {

namespace asio = boost::asio;

/// The guest is the client; set `handler` before the first stream.
struct LinkPair {
  asio::io_context io{1};
  link::Handler handler;
  std::vector<nlohmann::json> events;  ///< what `sink` was told
  link::SessionPtr guest, host;

  LinkPair() {
    auto [a, b] = socket_pair();
    guest = link::Session::create(io.get_executor(), std::move(a), link::Role::client);
    host = link::Session::create(io.get_executor(), std::move(b), link::Role::server, {},
                                 [this](link::StreamPtr stream) { return handler(std::move(stream)); });
    asio::co_spawn(io, run(guest), asio::detached);
    asio::co_spawn(io, run(host), asio::detached);
  }
  asio::awaitable<void> run(link::SessionPtr session) {
    ++running_;
    co_await session->run();
    --running_;
  }
  std::function<void(nlohmann::json)> sink() {
    return [this](nlohmann::json event) { events.push_back(std::move(event)); };
  }

  /// Runs a test's coroutine to its end, within 30 s; an exception of it fails the test.
  void test(std::function<asio::awaitable<void>()> body) {
    std::exception_ptr failure;
    bool done = false;
    asio::co_spawn(io, body, [&](std::exception_ptr error) {
      failure = error;
      done = true;
      guest->close();
      host->close();
    });
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while ((!done || running_ > 0) && std::chrono::steady_clock::now() < limit) io.run_one_until(limit);
    REQUIRE_MESSAGE(done, "the test hung");
    io.poll();  // what the end of the sessions set going, but not the timers that watch over it
    if (failure) std::rethrow_exception(failure);
  }

 private:
  int running_ = 0;
};

/// Reads until the text is there; fails the test at the stream's end or after 20 s' worth of the test's own limit.
inline asio::awaitable<std::string> read_until(link::StreamPtr stream, std::string wanted, std::string text = {}) {
  while (text.find(wanted) == std::string::npos) {
    const std::string bytes = co_await stream->read();
    if (bytes.empty()) throw Error("the stream ended before \"" + wanted + "\" came: " + text);
    text += bytes;
  }
  co_return text;
}

}  // namespace agentvm::test
