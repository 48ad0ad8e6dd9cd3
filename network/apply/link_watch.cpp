// link_watch.cpp - RTNLGRP_LINK, _IPV4_IFADDR, _NEIGH and _IPV4_NETCONF (rtnetlink(7)).
#include "network/apply/link_watch.hpp"

#include <linux/if_addr.h>
#include <linux/neighbour.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <cerrno>
#include <optional>

#include "base/error.hpp"

namespace agentvm::network {

namespace {

/// The link a message is about; 0: perhaps all of them. nullopt: none of our matters.
std::optional<int> link_of(const nlmsghdr* message) {
  const void* const data = NLMSG_DATA(message);
  const auto holds = [&](std::size_t size) { return message->nlmsg_len >= NLMSG_LENGTH(size); };
  switch (message->nlmsg_type) {
    case RTM_NEWLINK:
    case RTM_DELLINK:
      return holds(sizeof(ifinfomsg)) ? static_cast<const ifinfomsg*>(data)->ifi_index : 0;
    case RTM_NEWADDR:
    case RTM_DELADDR:
      return holds(sizeof(ifaddrmsg)) ? static_cast<int>(static_cast<const ifaddrmsg*>(data)->ifa_index) : 0;
    case RTM_NEWNEIGH:
    case RTM_DELNEIGH:
      return holds(sizeof(ndmsg)) ? static_cast<const ndmsg*>(data)->ndm_ifindex : 0;
    case RTM_NEWNETCONF:
      return 0;
    default:
      return std::nullopt;
  }
}

}  // namespace

LinkWatch::LinkWatch() : socket_(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE)) {
  if (!socket_) throw system_error(errno, "opening a netlink socket");
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  if (bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0) {
    throw system_error(errno, "watching the host's links");
  }
  for (const int group : {RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_NEIGH, RTNLGRP_IPV4_NETCONF}) {
    if (setsockopt(socket_.get(), SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) < 0) {
      throw system_error(errno, "watching the host's links");
    }
  }
}

bool LinkWatch::changed(const std::function<bool(int index)>& concerns) {
  alignas(nlmsghdr) char buffer[32768];
  bool found = false;
  for (;;) {
    const ssize_t got = recv(socket_.get(), buffer, sizeof buffer, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == ENOBUFS) {
      found = true;  // some were lost: it may have been among them
      continue;
    }
    if (got <= 0) return found;
    auto left = static_cast<unsigned>(got);
    for (const auto* message = reinterpret_cast<const nlmsghdr*>(buffer); NLMSG_OK(message, left);
         message = NLMSG_NEXT(message, left)) {
      const std::optional<int> index = link_of(message);
      if (index && (*index == 0 || concerns(*index))) found = true;
    }
  }
}

}  // namespace agentvm::network
