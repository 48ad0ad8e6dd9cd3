// connections.cpp - ctnetlink: lists all, deletes one by one (deleting by a filter takes Linux 6.7).
#include "network/apply/connections.hpp"

#include <arpa/inet.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netlink/attr.h>
#include <netlink/errno.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/error.hpp"

namespace agentvm::network {

namespace {

struct Free {
  void operator()(nl_sock* socket) const noexcept { nl_socket_free(socket); }
  void operator()(nl_msg* message) const noexcept { nlmsg_free(message); }
};
using Socket = std::unique_ptr<nl_sock, Free>;
using Message = std::unique_ptr<nl_msg, Free>;

/// Attributes by which one connection is named: bytes of CTA_TUPLE_ORIG, and CTA_ZONE's where it has one.
struct Found {
  std::string original;
  std::string zone;
};
struct Search {
  std::uint32_t address;  ///< in network order
  std::vector<Found> found = {};
};

std::string bytes_of(nlattr* attribute) {
  if (attribute == nullptr) return "";
  return {static_cast<const char*>(nla_data(attribute)), static_cast<std::size_t>(nla_len(attribute))};
}

int collect(nl_msg* message, void* argument) {
  auto& search = *static_cast<Search*>(argument);
  nlattr* parts[CTA_MAX + 1];
  nlattr* tuple[CTA_TUPLE_MAX + 1];
  nlattr* ip[CTA_IP_MAX + 1];
  if (nlmsg_parse(nlmsg_hdr(message), sizeof(nfgenmsg), parts, CTA_MAX, nullptr) < 0) return NL_OK;
  if (parts[CTA_TUPLE_ORIG] == nullptr || nla_parse_nested(tuple, CTA_TUPLE_MAX, parts[CTA_TUPLE_ORIG], nullptr) < 0 ||
      tuple[CTA_TUPLE_IP] == nullptr || nla_parse_nested(ip, CTA_IP_MAX, tuple[CTA_TUPLE_IP], nullptr) < 0) {
    return NL_OK;
  }
  for (nlattr* side : {ip[CTA_IP_V4_SRC], ip[CTA_IP_V4_DST]}) {
    if (side == nullptr || nla_len(side) != 4 || nla_get_u32(side) != search.address) continue;
    search.found.push_back({bytes_of(parts[CTA_TUPLE_ORIG]), bytes_of(parts[CTA_ZONE])});
    break;
  }
  return NL_OK;
}

Message request(int type, int flags) {
  Message message(nlmsg_alloc_simple(NFNL_SUBSYS_CTNETLINK << 8 | type, flags));
  nfgenmsg header{};
  header.nfgen_family = AF_INET;
  header.version = NFNETLINK_V0;
  if (!message || nlmsg_append(message.get(), &header, sizeof header, NLMSG_ALIGNTO) < 0) {
    throw Error("out of memory for a netlink request");
  }
  return message;
}

void check(int result) {
  if (result < 0) {
    throw Error(std::string("forgetting a guest's connections: ") + nl_geterror(result),
                "The kernel needs nf_conntrack_netlink.");
  }
}

}  // namespace

void forget_connections(Ipv4 address) {
  const Socket socket(nl_socket_alloc());
  if (!socket) throw Error("out of memory for a netlink socket");
  check(nl_connect(socket.get(), NETLINK_NETFILTER));
  Search search{htonl(address.value)};
  check(nl_socket_modify_cb(socket.get(), NL_CB_VALID, NL_CB_CUSTOM, collect, &search));
  check(nl_send_auto(socket.get(), request(IPCTNL_MSG_CT_GET, NLM_F_DUMP).get()));
  check(nl_recvmsgs_default(socket.get()));
  for (const Found& one : search.found) {
    Message deletion = request(IPCTNL_MSG_CT_DELETE, 0);
    check(nla_put(deletion.get(), CTA_TUPLE_ORIG | NLA_F_NESTED, static_cast<int>(one.original.size()),
                  one.original.data()));
    if (!one.zone.empty()) {
      check(nla_put(deletion.get(), CTA_ZONE, static_cast<int>(one.zone.size()), one.zone.data()));
    }
    const int result = nl_send_sync(socket.get(), deletion.release());
    if (result != -NLE_OBJ_NOTFOUND) check(result);
  }
}

}  // namespace agentvm::network
