// fake_upstream.hpp - a TCP server on the loopback that answers as a test says.
#pragma once

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <functional>
#include <string>
#include <vector>

namespace agentvm::test {

namespace asio = boost::asio;
using asio::ip::tcp;

class FakeUpstream {
 public:
  /// One connection, as a handler sees it.
  struct Connection {
    tcp::socket socket;
    std::string received;

    asio::awaitable<void> read_until(std::string end) {
      while (received.find(end) == std::string::npos) {
        char buffer[16384];
        const auto [error, size] =
            co_await socket.async_read_some(asio::buffer(buffer), asio::as_tuple(asio::use_awaitable));
        if (error) co_return;
        received.append(buffer, size);
      }
    }
    asio::awaitable<void> write(std::string bytes) {
      co_await asio::async_write(socket, asio::buffer(bytes), asio::as_tuple(asio::use_awaitable));
    }
    /// Waits for the other side to go; true when it did without sending more.
    asio::awaitable<bool> wait_for_end() {
      char byte = 0;
      const auto [error, size] =
          co_await socket.async_read_some(asio::buffer(&byte, 1), asio::as_tuple(asio::use_awaitable));
      co_return static_cast<bool>(error);
    }
  };
  using Handler = std::function<asio::awaitable<void>(Connection&)>;

  FakeUpstream(asio::io_context& io, Handler handler)
      : acceptor_(io, tcp::endpoint(asio::ip::address_v4::loopback(), 0)), handler_(std::move(handler)) {
    asio::co_spawn(io, accept(), asio::detached);
  }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(port()) + "/base"; }
  unsigned short port() const { return acceptor_.local_endpoint().port(); }
  void close() { acceptor_.close(); }

  std::vector<std::string> requests;  ///< what each connection had sent when its handler was done

 private:
  asio::awaitable<void> accept() {
    for (;;) {
      auto [error, socket] = co_await acceptor_.async_accept(asio::as_tuple(asio::use_awaitable));
      if (error) co_return;
      asio::co_spawn(acceptor_.get_executor(), serve(std::move(socket)), asio::detached);
    }
  }
  asio::awaitable<void> serve(tcp::socket socket) {
    Connection connection{std::move(socket), {}};
    co_await handler_(connection);
    requests.push_back(connection.received);
  }

  tcp::acceptor acceptor_;
  Handler handler_;
};

}  // namespace agentvm::test
