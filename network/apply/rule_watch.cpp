// rule_watch.cpp - NFNLGRP_NFTABLES (nf_tables_table_notify of the kernel).
#include "network/apply/rule_watch.hpp"

#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>

namespace agentvm::network {

RuleWatch::RuleWatch() : events_(NETLINK_NETFILTER, {NFNLGRP_NFTABLES}, "the firewall's rules") {}

bool RuleWatch::table_deleted() {
  constexpr int deleted = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_DELTABLE;
  bool found = false;
  const bool lost = events_.take([&](const nlmsghdr& message) { found = found || message.nlmsg_type == deleted; });
  return found || lost;  // it may have been among the lost ones
}

}  // namespace agentvm::network
