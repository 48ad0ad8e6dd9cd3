// rule_watch.cpp - NFNLGRP_NFTABLES (nf_tables_table_notify of the kernel).
#include "network/apply/rule_watch.hpp"

#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <sys/socket.h>

#include <cerrno>

#include "base/error.hpp"

namespace agentvm::network {

RuleWatch::RuleWatch() : socket_(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_NETFILTER)) {
  if (!socket_) throw system_error(errno, "opening a netlink socket");
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  const int group = NFNLGRP_NFTABLES;
  if (bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0 ||
      setsockopt(socket_.get(), SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) < 0) {
    throw system_error(errno, "watching the firewall's rules");
  }
}

bool RuleWatch::table_deleted() noexcept {
  constexpr int deleted = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_DELTABLE;
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
      if (message->nlmsg_type == deleted) found = true;
    }
  }
}

}  // namespace agentvm::network
