// socket_relay.cpp - a coroutine for each direction.
#include "base/socket_relay.hpp"

#include <fcntl.h>
#include <sys/socket.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/write.hpp>
#include <cerrno>
#include <vector>

#include "base/async/event.hpp"
#include "base/error.hpp"

namespace agentvm::link {

namespace asio = boost::asio;
using namespace asio::experimental::awaitable_operators;
using Descriptor = asio::posix::stream_descriptor;

namespace {

constexpr std::size_t relayed_bytes = 64 * 1024;

UniqueFd duplicate_socket(int fd) {
  UniqueFd copy(fcntl(fd, F_DUPFD_CLOEXEC, 3));
  if (!copy) throw system_error(errno, "duplicating a socket");
  return copy;
}

asio::awaitable<void> send_all_to_stream(Descriptor& in, Stream& stream) {
  std::vector<char> buffer(relayed_bytes);
  for (;;) {
    const auto [error, got] = co_await in.async_read_some(asio::buffer(buffer), asio::as_tuple(asio::use_awaitable));
    if (error == asio::error::eof) break;
    if (error) {
      stream.reset();
      co_return;
    }
    co_await stream.write(std::string(buffer.data(), got));
  }
  stream.finish();
}

}  // namespace

RelaySocket::RelaySocket(const asio::any_io_executor& executor, UniqueFd fd)
    : out(executor, duplicate_socket(fd.get()).release()), in(executor, fd.release()) {}

asio::awaitable<void> send_to_socket(Descriptor& out, std::string bytes) {
  co_await asio::async_write(out, asio::buffer(bytes), asio::use_awaitable);
}

asio::awaitable<void> receive_into_socket(Stream& stream, Descriptor& out) {
  for (;;) {
    std::string bytes = co_await stream.read();
    if (bytes.empty()) break;
    co_await send_to_socket(out, std::move(bytes));
  }
  shutdown(out.native_handle(), SHUT_WR);
}

asio::awaitable<void> send_while_wanted(Descriptor& in, Stream& stream) {
  try {
    co_await send_all_to_stream(in, stream);
  } catch (const Error&) {
    co_return;
  }
  co_await stream.closed();
}

asio::awaitable<void> join_socket(RelaySocket& socket, Stream& stream) {
  co_await (receive_into_socket(stream, socket.out) && (send_while_wanted(socket.in, stream) || stream.closed()));
}

}  // namespace agentvm::link
