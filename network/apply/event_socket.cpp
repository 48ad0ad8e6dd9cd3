// event_socket.cpp - joins the groups, and takes messages until there are none.
#include "network/apply/event_socket.hpp"

#include <sys/socket.h>

#include <cerrno>
#include <string>

#include "base/error.hpp"

namespace agentvm::network {

EventSocket::EventSocket(int protocol, std::initializer_list<int> groups, const char* what)
    : socket_(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol)) {
  if (!socket_) throw system_error(errno, "opening a netlink socket");
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  bool joined = bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  for (const int group : groups) {
    joined = joined && setsockopt(socket_.get(), SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) == 0;
  }
  if (!joined) throw system_error(errno, std::string("watching ") + what);
}

bool EventSocket::take(const std::function<void(const nlmsghdr& message)>& message_came) {
  alignas(nlmsghdr) char buffer[32768];
  bool lost = false;
  for (;;) {
    const ssize_t got = recv(socket_.get(), buffer, sizeof buffer, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == ENOBUFS) {
      lost = true;
      continue;
    }
    if (got <= 0) return lost;
    auto left = static_cast<unsigned>(got);
    for (const auto* message = reinterpret_cast<const nlmsghdr*>(buffer); NLMSG_OK(message, left);
         message = NLMSG_NEXT(message, left)) {
      message_came(*message);
    }
  }
}

}  // namespace agentvm::network
