// port_publisher.cpp - one listening socket, and a stream of the control link for each connection.
#include "launcher/gateway/ports/port_publisher.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <cerrno>

#include "base/async/event.hpp"
#include "base/async/task_group.hpp"
#include "base/async/within.hpp"
#include "base/error.hpp"
#include "base/socket_relay.hpp"
#include "base/wire/guest.hpp"

namespace agentvm::gateway {

namespace asio = boost::asio;

namespace {

/// Out of descriptors: a pause lets connections end.
constexpr std::chrono::milliseconds publish_pause{100};
/// For the guest to say whether somebody listens on its port.
constexpr std::chrono::seconds answer_limit{10};
/// Of one port; the guest's own limit is that of all ports.
constexpr std::size_t most_connections = guest::max_published_connections / 2;

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = sizeof(sockaddr_in);
};

SocketAddress socket_address_of(const std::string& address, std::uint16_t port) {
  SocketAddress out;
  auto* v4 = reinterpret_cast<sockaddr_in*>(&out.storage);
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&out.storage);
  if (inet_pton(AF_INET, address.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
  } else if (inet_pton(AF_INET6, address.c_str(), &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    out.size = sizeof(sockaddr_in6);
  } else {
    throw Error(address + " is not an IP address");
  }
  return out;
}

}  // namespace

PortPublisher::PortPublisher(const std::string& address, std::uint16_t port, std::uint16_t guest_port)
    : guest_port_(guest_port) {
  SocketAddress where = socket_address_of(address, port);
  listener_.reset(socket(where.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!listener_) throw system_error(errno, "making a socket");
  const int on = 1;
  setsockopt(listener_.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  auto* generic = reinterpret_cast<sockaddr*>(&where.storage);
  if (bind(listener_.get(), generic, where.size) < 0 || listen(listener_.get(), 64) < 0) {
    throw system_error(errno, fmt::format("publishing port {} of the guest on {}:{}", guest_port, address, port),
                       "Take another port with network.publish.");
  }
  getsockname(listener_.get(), generic, &where.size);
  port_ = ntohs(where.storage.ss_family == AF_INET ? reinterpret_cast<sockaddr_in*>(generic)->sin_port
                                                   : reinterpret_cast<sockaddr_in6*>(generic)->sin6_port);
}

void PortPublisher::close() noexcept {
  // Its watch has a duplicate, and a socket listens until the last one is closed.
  if (listener_) shutdown(listener_.get(), SHUT_RDWR);
  listener_.reset();
}

asio::awaitable<void> PortPublisher::serve(std::shared_ptr<PortPublisher> self,
                                           std::function<link::SessionPtr()> control) {
  TaskGroup connections(co_await asio::this_coro::executor);
  auto accepting = accept(self, std::move(control), connections);
  try {
    co_await std::move(accepting);
  } catch (const boost::system::system_error&) {
    // We are cancelled, and so are they.
  }
  co_await shielded();
  co_await connections.join();
}

asio::awaitable<void> PortPublisher::accept(std::shared_ptr<PortPublisher> self,
                                            std::function<link::SessionPtr()> control, TaskGroup& connections) {
  asio::posix::stream_descriptor ready(co_await asio::this_coro::executor,
                                       fcntl(self->listener_.get(), F_DUPFD_CLOEXEC, 3));
  for (;;) {
    const auto [error] =
        co_await ready.async_wait(asio::posix::stream_descriptor::wait_read, asio::as_tuple(asio::use_awaitable));
    if (error || !self->listener_) co_return;
    UniqueFd fd(accept4(ready.native_handle(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!fd && errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) co_await sleep_for(publish_pause);
    const link::SessionPtr session = control();
    if (!fd || !session || !session->open_for_streams() || connections.size() >= most_connections) continue;
    connections.spawn(connection(self, session, std::move(fd)));
  }
}

asio::awaitable<void> PortPublisher::connection(std::shared_ptr<PortPublisher> self, link::SessionPtr control,
                                                UniqueFd fd) {
  const int on = 1;
  setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  try {
    link::RelaySocket socket(co_await asio::this_coro::executor, std::move(fd));
    const link::StreamPtr stream = control->open("POST", "/connect/" + std::to_string(self->guest_port_));
    SteadyClock clock;
    auto answer = stream->response();
    auto in_time = within(clock, answer_limit, "the guest to connect its port", std::move(answer));
    const link::Fields fields = co_await std::move(in_time);
    if (link::field(fields, ":status") == "200") co_await link::join_socket(socket, *stream);
  } catch (const std::exception&) {
    // The caller sees its connection closed; nobody else is concerned.
  }
}

}  // namespace agentvm::gateway
