// services.cpp - connections of the guest's programs, joined to streams of the service link.
#include "guest/services.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <cerrno>
#include <optional>
#include <utility>

#include "base/async/event.hpp"
#include "base/error.hpp"
#include "base/file.hpp"
#include "base/socket_relay.hpp"
#include "base/text.hpp"
#include "base/unix_socket.hpp"

namespace agentvm::guest {

namespace asio = boost::asio;
using namespace asio::experimental::awaitable_operators;
using link::StreamPtr;
using Descriptor = asio::posix::stream_descriptor;

namespace {

constexpr std::size_t max_name_bytes = 128;
constexpr std::size_t max_refusal_bytes = 4096;
/// Out of descriptors or memory: a pause lets connections end.
constexpr std::chrono::milliseconds accept_pause{100};

/// Like join_socket, for a stream whose answer has not come: the program's bytes need not wait for it.
asio::awaitable<void> receive_model(link::Stream& stream, Descriptor& out) {
  const auto fields = co_await stream.response();
  if (link::field(fields, ":status") == "200") {
    co_await link::receive_into_socket(stream, out);
    co_return;
  }
  const std::string reason = plain_line(co_await stream.read_all(max_refusal_bytes), max_refusal_bytes) + "\n";
  co_await link::send_to_socket(
      out, "HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/plain\r\nConnection: close\r\nContent-Length: " +
               std::to_string(reason.size()) + "\r\n\r\n" + reason);
  shutdown(out.native_handle(), SHUT_WR);
}

/// The line that names the service, and what was sent behind it.
struct Greeting {
  std::string name;
  std::string rest;
};

asio::awaitable<std::optional<Greeting>> read_greeting(Descriptor& in) {
  std::string text;
  char buffer[max_name_bytes];
  while (text.size() < max_name_bytes) {
    const auto [error, got] = co_await in.async_read_some(asio::buffer(buffer), asio::as_tuple(asio::use_awaitable));
    if (error) co_return std::nullopt;
    text.append(buffer, got);
    const std::size_t newline = text.find('\n');
    if (newline != std::string::npos) co_return Greeting{text.substr(0, newline), text.substr(newline + 1)};
  }
  co_return std::nullopt;
}

}  // namespace

void Services::serve_socket(const std::string& path) {
  if (unlink(path.c_str()) < 0 && errno != ENOENT) throw system_error(errno, "replacing the socket " + path);
  UniqueFd listener = listen_unix(path);
  if (chmod(path.c_str(), 0666) < 0) throw system_error(errno, "opening the socket " + path + " to everybody");
  listening_.spawn(accept_loop(std::move(listener), &Services::named_connection));
}

void Services::serve_model(std::uint16_t port) {
  if (ports_.contains(port)) return;
  const std::string name = "127.0.0.1:" + std::to_string(port);
  UniqueFd listener(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!listener) throw system_error(errno, "making a socket for " + name);
  const int on = 1;
  setsockopt(listener.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0 ||
      listen(listener.get(), static_cast<int>(max_service_connections)) < 0) {
    throw system_error(errno, "listening on " + name);
  }
  ports_.insert(port);
  listening_.spawn(accept_loop(std::move(listener), &Services::model_connection));
}

asio::awaitable<void> Services::accept_loop(UniqueFd listener, Connection connection) {
  Descriptor ready(executor_, listener.release());
  for (;;) {
    const auto [error] = co_await ready.async_wait(Descriptor::wait_read, asio::as_tuple(asio::use_awaitable));
    if (error) co_return;
    UniqueFd fd(accept4(ready.native_handle(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (fd && connections_.size() < max_service_connections) {
      connections_.spawn((this->*connection)(std::move(fd)));
    } else if (!fd && errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
      co_await sleep_for(accept_pause);
    }
  }
}

void Services::set_link(link::SessionPtr link) {
  link_ = std::move(link);
  linked_.notify();
}

asio::awaitable<StreamPtr> Services::open(std::string path) {
  while (!link_ || !link_->open_for_streams()) co_await linked_.wait();
  co_return link_->open("POST", std::move(path));
}

asio::awaitable<void> Services::named_connection(UniqueFd fd) {
  link::RelaySocket socket(executor_, std::move(fd));
  auto first = co_await (read_greeting(socket.in) || sleep_for(service_name_deadline));
  const auto* greeting = std::get_if<0>(&first);
  if (greeting == nullptr || !*greeting) {
    co_await link::send_to_socket(socket.out, "error the name of a service and a newline must come first\n");
    co_return;
  }
  const std::string name = (*greeting)->name;
  if (!allowed_.contains(name)) {
    co_await link::send_to_socket(socket.out,
                                  "error this VM has no service named " + plain_line(name, max_name_bytes) + "\n");
    co_return;
  }
  auto opened = open("/" + name);
  const StreamPtr stream = co_await std::move(opened);
  const auto fields = co_await stream->response();
  if (link::field(fields, ":status") != "200") {
    const std::string reason = co_await stream->read_all(max_refusal_bytes);
    co_await link::send_to_socket(socket.out, "error " + plain_line(reason, max_refusal_bytes) + "\n");
    co_return;
  }
  co_await link::send_to_socket(socket.out, "ok\n");
  if (!(*greeting)->rest.empty()) co_await stream->write((*greeting)->rest);
  co_await link::join_socket(socket, *stream);
}

asio::awaitable<void> Services::model_connection(UniqueFd fd) {
  const int on = 1;
  setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  link::RelaySocket socket(executor_, std::move(fd));
  auto opened = open("/model");
  const StreamPtr stream = co_await std::move(opened);
  co_await (receive_model(*stream, socket.out) && (link::send_while_wanted(socket.in, *stream) || stream->closed()));
}

}  // namespace agentvm::guest
