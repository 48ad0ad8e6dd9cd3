// hostile_peer.cpp - one link session against a peer that says whatever the fuzzer wants.
#include "tests/fuzz/hostile_peer.hpp"

#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <cstdio>
#include <cstdlib>

#include "base/async/task_group.hpp"
#include "base/unix_socket.hpp"

namespace agentvm::fuzz {

namespace asio = boost::asio;

namespace {

using Socket = asio::local::stream_protocol::socket;
constexpr auto quiet = asio::as_tuple(asio::use_awaitable);

asio::awaitable<void> say(Socket& socket, std::string bytes, std::size_t piece) {
  for (std::size_t at = 0; at < bytes.size(); at += piece) {
    const std::size_t length = std::min(piece, bytes.size() - at);
    const auto [error, written] = co_await asio::async_write(socket, asio::buffer(bytes.data() + at, length), quiet);
    if (error || written < length) co_return;
  }
  boost::system::error_code ignored;
  socket.shutdown(Socket::shutdown_send, ignored);
}

asio::awaitable<void> hear_everything(Socket& socket) {
  std::array<char, 16384> buffer;
  for (;;) {
    const auto [error, length] = co_await socket.async_read_some(asio::buffer(buffer), quiet);
    if (error || length == 0) co_return;
  }
}

asio::awaitable<void> run(link::SessionPtr session, bool& ended) {
  co_await session->run();
  ended = true;
}

}  // namespace

void converse(link::Role role, link::Handler handler, std::function<asio::awaitable<void>(link::SessionPtr)> beside,
              std::string bytes, std::size_t piece) {
  bool ended = false;
  asio::io_context io{1};
  auto [ours, theirs] = socket_pair();
  link::SessionPtr session = link::Session::create(io.get_executor(), std::move(ours), role, {}, std::move(handler));
  Socket peer(io, asio::local::stream_protocol(), theirs.release());
  TaskGroup tasks(io.get_executor());
  tasks.spawn(run(session, ended));
  if (beside) tasks.spawn(beside(session));
  tasks.spawn(say(peer, std::move(bytes), piece));
  tasks.spawn(hear_everything(peer));
  io.run_for(std::chrono::seconds(4));
  if (!ended) {
    std::fputs("the session outlived its peer\n", stderr);
    std::abort();
  }
}

}  // namespace agentvm::fuzz
