// connect.cpp - one connection to a published port.
#include "guest/connect.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/this_coro.hpp>
#include <cerrno>
#include <chrono>
#include <string>

#include "base/async/event.hpp"
#include "base/error.hpp"
#include "base/socket_relay.hpp"

namespace agentvm::guest {

namespace asio = boost::asio;
using namespace asio::experimental::awaitable_operators;

namespace {

/// A program that listens and does not accept lets a connection wait; not for ever.
constexpr std::chrono::seconds connect_limit{10};

Error refused(int error, std::uint16_t port) {
  return system_error(error, "connecting to port " + std::to_string(port) + " of the guest");
}

asio::awaitable<UniqueFd> connect_to_loopback(std::uint16_t port) {
  UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) throw system_error(errno, "making a socket");
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int result = connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
  if (result < 0 && errno != EINPROGRESS) throw refused(errno, port);
  if (result < 0) {
    asio::posix::stream_descriptor ready(co_await asio::this_coro::executor, fcntl(fd.get(), F_DUPFD_CLOEXEC, 3));
    auto first = co_await (ready.async_wait(asio::posix::stream_descriptor::wait_write, asio::use_awaitable) ||
                           sleep_for(connect_limit));
    if (first.index() == 1) throw refused(ETIMEDOUT, port);
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) throw refused(error, port);
  }
  const int on = 1;
  setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  co_return fd;
}

}  // namespace

boost::asio::awaitable<void> connect_port(link::StreamPtr stream, std::uint16_t port) {
  UniqueFd fd;
  std::string failure;
  try {
    fd = co_await connect_to_loopback(port);
  } catch (const Error& error) {
    failure = error.what();
  }
  if (!fd) {
    stream->respond(502);
    co_await stream->write(std::move(failure));
    stream->finish();
    co_return;
  }
  stream->respond(200);
  link::RelaySocket socket(co_await boost::asio::this_coro::executor, std::move(fd));
  try {
    co_await link::join_socket(socket, *stream);
  } catch (const std::exception&) {
    stream->reset();  // one side broke the connection off: the other sees the same
  }
}

}  // namespace agentvm::guest
