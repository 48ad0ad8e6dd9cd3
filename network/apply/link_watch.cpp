// link_watch.cpp - RTNLGRP_LINK, _IPV4_IFADDR, _NEIGH and _IPV4_NETCONF (rtnetlink(7)).
#include "network/apply/link_watch.hpp"

#include <linux/if_addr.h>
#include <linux/neighbour.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include <optional>

namespace agentvm::network {

namespace {

/// The link a message is about; 0: perhaps all of them. nullopt: none of our matters.
std::optional<int> link_of(const nlmsghdr& message) {
  const void* const data = NLMSG_DATA(&message);
  const auto holds = [&](std::size_t size) { return message.nlmsg_len >= NLMSG_LENGTH(size); };
  switch (message.nlmsg_type) {
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

LinkWatch::LinkWatch()
    : events_(NETLINK_ROUTE, {RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_NEIGH, RTNLGRP_IPV4_NETCONF},
              "the host's links") {}

bool LinkWatch::changed(const std::function<bool(int index)>& concerns) {
  bool found = false;
  const bool lost = events_.take([&](const nlmsghdr& message) {
    const std::optional<int> index = link_of(message);
    if (index && (*index == 0 || concerns(*index))) found = true;
  });
  return found || lost;  // it may have been among the lost ones
}

}  // namespace agentvm::network
