// served_link.hpp - both ends of a link in one io_context, for tests of what is served on one.
#pragma once

#include <doctest/doctest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <exception>
#include <functional>

#include "base/link/link.hpp"
#include "base/unix_socket.hpp"

namespace agentvm::test {

struct ServedLink {
  boost::asio::io_context io{1};
  link::SessionPtr client, server;

  explicit ServedLink(link::Handler handler) {
    auto [a, b] = socket_pair();
    client = link::Session::create(io.get_executor(), std::move(a), link::Role::client);
    server = link::Session::create(io.get_executor(), std::move(b), link::Role::server, {}, std::move(handler));
    boost::asio::co_spawn(io, client->run(), boost::asio::detached);
    boost::asio::co_spawn(io, server->run(), boost::asio::detached);
  }

  /// Runs the coroutine to its end, then closes the link; its exception fails the test.
  void run(std::function<boost::asio::awaitable<void>()> body) {
    std::exception_ptr failure;
    bool done = false;
    boost::asio::co_spawn(io, body, [&](std::exception_ptr error) {
      failure = error;
      done = true;
      client->close();
    });
    io.run_for(std::chrono::seconds(20));
    REQUIRE(done);
    if (failure) std::rethrow_exception(failure);
  }
};

}  // namespace agentvm::test
