// link_pair.hpp - both ends of a link in one io_context, and a way to run a coroutine on it to its end.
#pragma once

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <exception>
#include <stdexcept>
#include <utility>

#include "base/link/link.hpp"
#include "base/unix_socket.hpp"

namespace agentvm::guest {

class LinkPair {
 public:
  /// Connects both ends; `handler` is the server's.
  void connect(link::Handler handler, link::Limits server_limits = {}) {
    auto [one, other] = socket_pair();
    client = link::Session::create(context.get_executor(), std::move(one), link::Role::client);
    server = link::Session::create(context.get_executor(), std::move(other), link::Role::server, server_limits,
                                   std::move(handler));
    start(serve(client));
    start(serve(server));
  }

  void start(boost::asio::awaitable<void> task) {
    boost::asio::co_spawn(context, std::move(task), boost::asio::detached);
  }

  /// Runs the loop until the coroutine has ended and rethrows what it threw; 30 s at most.
  void run(boost::asio::awaitable<void> task) {
    bool done = false;
    std::exception_ptr failure;
    boost::asio::co_spawn(context, std::move(task), [&](std::exception_ptr thrown) {
      failure = std::move(thrown);
      done = true;
      context.stop();
    });
    context.restart();
    context.run_for(std::chrono::seconds(30));
    if (!done) throw std::runtime_error("the test's coroutine did not end");
    if (failure) std::rethrow_exception(failure);
  }

  boost::asio::io_context context{1};
  link::SessionPtr client;
  link::SessionPtr server;

 private:
  static boost::asio::awaitable<void> serve(link::SessionPtr session) { co_await session->run(); }
};

}  // namespace agentvm::guest
