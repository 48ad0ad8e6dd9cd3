// links.cpp - rtnetlink requests, one function each.
#include "network/apply/links.hpp"

#include <arpa/inet.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/errno.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <netlink/route/neighbour.h>
#include <netlink/route/route.h>
#include <netlink/socket.h>

#include <algorithm>
#include <cstring>

#include "base/error.hpp"

namespace agentvm::network {

namespace {

struct Release {
  void operator()(rtnl_link* link) const noexcept { rtnl_link_put(link); }
  void operator()(rtnl_addr* address) const noexcept { rtnl_addr_put(address); }
  void operator()(nl_addr* address) const noexcept { nl_addr_put(address); }
  void operator()(nl_cache* cache) const noexcept { nl_cache_free(cache); }
  void operator()(nl_msg* message) const noexcept { nlmsg_free(message); }
  void operator()(nl_cb* callbacks) const noexcept { nl_cb_put(callbacks); }
};
template <typename T>
using Owned = std::unique_ptr<T, Release>;

void check(int result, const std::string& what) {
  if (result < 0) throw Error(what + ": " + nl_geterror(result));
}

template <typename T>
Owned<T> made(T* object) {
  if (object == nullptr) throw Error("out of memory for a netlink request");
  return Owned<T>(object);
}

std::string text_or_empty(const char* text) {
  return text == nullptr ? "" : text;
}

Mac mac_of(nl_addr* address) {
  Mac mac;
  if (address != nullptr && nl_addr_get_len(address) == mac.bytes.size()) {
    std::memcpy(mac.bytes.data(), nl_addr_get_binary_addr(address), mac.bytes.size());
  }
  return mac;
}

/// nullopt for what is not IPv4.
std::optional<Prefix> prefix_of(nl_addr* address) {
  if (address == nullptr || nl_addr_get_family(address) != AF_INET || nl_addr_get_len(address) != 4)
    return std::nullopt;
  const auto* bytes = static_cast<const unsigned char*>(nl_addr_get_binary_addr(address));
  Prefix prefix{
      {std::uint32_t{bytes[0]} << 24 | std::uint32_t{bytes[1]} << 16 | std::uint32_t{bytes[2]} << 8 | bytes[3]},
      std::min(32U, nl_addr_get_prefixlen(address))};
  prefix.address.value &= prefix.mask();
  return prefix;
}

Owned<nl_addr> netlink_address(Ipv4 address, unsigned bits) {
  const std::uint32_t v = address.value;
  unsigned char bytes[4] = {static_cast<unsigned char>(v >> 24), static_cast<unsigned char>(v >> 16),
                            static_cast<unsigned char>(v >> 8), static_cast<unsigned char>(v)};
  auto made_address = made(nl_addr_build(AF_INET, bytes, sizeof bytes));
  nl_addr_set_prefixlen(made_address.get(), static_cast<int>(bits));
  return made_address;
}

/// The request of a change to one link: its header, to which attributes are added.
Owned<nl_msg> link_message(int type, int family, int index) {
  auto message = made(nlmsg_alloc_simple(type, 0));
  ifinfomsg header{};
  header.ifi_family = static_cast<unsigned char>(family);
  header.ifi_index = index;
  check(nlmsg_append(message.get(), &header, sizeof header, NLMSG_ALIGNTO), "making a netlink request");
  return message;
}

void switch_link(nl_sock* socket, int index, unsigned flags, const char* word) {
  auto message = link_message(RTM_NEWLINK, AF_UNSPEC, index);
  auto* header = static_cast<ifinfomsg*>(nlmsg_data(nlmsg_hdr(message.get())));
  header->ifi_flags = flags;
  header->ifi_change = IFF_UP;
  check(nl_send_sync(socket, message.release()), "switching link " + std::to_string(index) + " " + word);
}

/// A forwarding entry of a bridge (AF_BRIDGE) or a neighbour (AF_INET), made or replaced.
Owned<nl_msg> neighbour_message(int type, int family, int index, int state, int flags) {
  auto message = made(nlmsg_alloc_simple(type, type == RTM_NEWNEIGH ? NLM_F_CREATE | NLM_F_REPLACE : 0));
  ndmsg header{};
  header.ndm_family = static_cast<unsigned char>(family);
  header.ndm_ifindex = index;
  header.ndm_state = static_cast<std::uint16_t>(state);
  header.ndm_flags = static_cast<unsigned char>(flags);
  check(nlmsg_append(message.get(), &header, sizeof header, NLMSG_ALIGNTO), "making a netlink request");
  return message;
}

void put_mac(nl_msg* message, const Mac& mac) {
  check(nla_put(message, NDA_LLADDR, static_cast<int>(mac.bytes.size()), mac.bytes.data()), "making a netlink request");
}

void put_address(nl_msg* message, Ipv4 address) {
  check(nla_put_u32(message, NDA_DST, htonl(address.value)), "making a netlink request");
}

struct BridgeEntry {
  int port;
  Mac mac;
  bool found = false;
};

int compare_entry(nl_msg* message, void* argument) {
  auto& wanted = *static_cast<BridgeEntry*>(argument);
  nlattr* parts[NDA_MAX + 1];
  if (nlmsg_parse(nlmsg_hdr(message), sizeof(ndmsg), parts, NDA_MAX, nullptr) < 0) return NL_OK;
  const auto* header = static_cast<const ndmsg*>(nlmsg_data(nlmsg_hdr(message)));
  const nlattr* mac = parts[NDA_LLADDR];
  if (header->ndm_ifindex == wanted.port && (header->ndm_state & NUD_NOARP) != 0 && mac != nullptr &&
      nla_len(mac) == static_cast<int>(wanted.mac.bytes.size()) &&
      std::memcmp(nla_data(mac), wanted.mac.bytes.data(), wanted.mac.bytes.size()) == 0) {
    wanted.found = true;
  }
  return NL_OK;
}

/// libnl's caches of neighbours leave a bridge's own out.
bool bridge_knows(nl_sock* socket, int port, const Mac& mac) {
  auto request = made(nlmsg_alloc_simple(RTM_GETNEIGH, NLM_F_DUMP));
  ndmsg header{};
  header.ndm_family = AF_BRIDGE;
  check(nlmsg_append(request.get(), &header, sizeof header, NLMSG_ALIGNTO), "making a netlink request");
  BridgeEntry wanted{port, mac};
  const std::unique_ptr<nl_cb, Release> callbacks(nl_cb_alloc(NL_CB_DEFAULT));
  if (!callbacks) throw Error("out of memory for a netlink request");
  nl_cb_set(callbacks.get(), NL_CB_VALID, NL_CB_CUSTOM, compare_entry, &wanted);
  check(nl_send_auto(socket, request.get()), "listing what the bridge knows");
  check(nl_recvmsgs(socket, callbacks.get()), "listing what the bridge knows");
  return wanted.found;
}

}  // namespace

bool is_own(const Link& link) {
  // An alias alone is anybody's to set.
  if (link.kind == "tun") return is_own_alias(link.alias) && link.name.starts_with(tap_prefix);
  return link.kind == "bridge" && (link.alias.empty() || is_own_alias(link.alias)) &&
         link.mac == make_network(link.name, default_subnet).bridge_mac;
}

void Links::CloseSocket::operator()(nl_sock* socket) const noexcept {
  nl_socket_free(socket);
}

Links::Links() : socket_(nl_socket_alloc()) {
  if (!socket_) throw Error("out of memory for a netlink socket");
  check(nl_connect(socket_.get(), NETLINK_ROUTE), "opening a netlink socket");
}

std::vector<Link> Links::list() {
  nl_cache* raw = nullptr;
  check(rtnl_link_alloc_cache(socket_.get(), AF_UNSPEC, &raw), "listing the host's links");
  const Owned<nl_cache> cache(raw);
  std::vector<Link> links;
  for (nl_object* object = nl_cache_get_first(raw); object != nullptr; object = nl_cache_get_next(object)) {
    auto* link = reinterpret_cast<rtnl_link*>(object);
    links.push_back({rtnl_link_get_ifindex(link), text_or_empty(rtnl_link_get_name(link)),
                     text_or_empty(rtnl_link_get_ifalias(link)), text_or_empty(rtnl_link_get_type(link)),
                     mac_of(rtnl_link_get_addr(link)), rtnl_link_get_master(link),
                     (rtnl_link_get_flags(link) & IFF_UP) != 0});
  }
  return links;
}

std::vector<UsedPrefix> Links::used_prefixes(const std::vector<Link>& own) {
  const std::vector<Link> links = list();
  const auto name_of = [&](int index) {
    const auto found = std::find_if(links.begin(), links.end(), [&](const Link& link) { return link.index == index; });
    return found == links.end() ? std::string("a link that is gone") : found->name;
  };
  const auto is_ours = [&](int index) {
    return std::any_of(own.begin(), own.end(), [&](const Link& link) { return link.index == index; });
  };
  std::vector<UsedPrefix> used;
  nl_cache* raw = nullptr;
  check(rtnl_addr_alloc_cache(socket_.get(), &raw), "listing the host's addresses");
  const Owned<nl_cache> addresses(raw);
  for (nl_object* object = nl_cache_get_first(raw); object != nullptr; object = nl_cache_get_next(object)) {
    auto* address = reinterpret_cast<rtnl_addr*>(object);
    const int index = rtnl_addr_get_ifindex(address);
    const auto prefix = prefix_of(rtnl_addr_get_local(address));
    if (prefix && !is_ours(index)) used.push_back({*prefix, "an address of " + name_of(index)});
  }
  check(rtnl_route_alloc_cache(socket_.get(), AF_INET, 0, &raw), "listing the host's routes");
  const Owned<nl_cache> routes(raw);
  for (nl_object* object = nl_cache_get_first(raw); object != nullptr; object = nl_cache_get_next(object)) {
    auto* route = reinterpret_cast<rtnl_route*>(object);
    const auto prefix = prefix_of(rtnl_route_get_dst(route));
    rtnl_nexthop* hop = rtnl_route_get_nnexthops(route) > 0 ? rtnl_route_nexthop_n(route, 0) : nullptr;
    const int index = hop == nullptr ? 0 : rtnl_route_nh_get_ifindex(hop);
    // Table "local" repeats the addresses.
    if (!prefix || prefix->bits == 0 || rtnl_route_get_table(route) == RT_TABLE_LOCAL || is_ours(index)) continue;
    used.push_back({*prefix, hop == nullptr ? "a route" : "the route over " + name_of(index)});
  }
  return used;
}

int Links::add_bridge(const std::string& name, const Mac& mac) {
  const auto link = made(rtnl_link_alloc());
  check(rtnl_link_set_type(link.get(), "bridge"), "making the bridge " + name);
  rtnl_link_set_name(link.get(), name.c_str());
  const auto address = made(nl_addr_build(AF_LLC, mac.bytes.data(), mac.bytes.size()));
  rtnl_link_set_addr(link.get(), address.get());
  check(rtnl_link_add(socket_.get(), link.get(), NLM_F_CREATE | NLM_F_EXCL), "making the bridge " + name);
  const int index = index_of(name);
  set_alias(index, link_mark);
  return index;
}

void Links::add_address(int index, Ipv4 address, unsigned bits) {
  const auto entry = made(rtnl_addr_alloc());
  rtnl_addr_set_ifindex(entry.get(), index);
  const auto local = netlink_address(address, bits);
  check(rtnl_addr_set_local(entry.get(), local.get()), "adding the address " + format(address));
  check(rtnl_addr_add(socket_.get(), entry.get(), 0), "adding the address " + format(address));
}

void Links::set_alias(int index, const std::string& alias) {
  auto message = link_message(RTM_SETLINK, AF_UNSPEC, index);
  check(nla_put(message.get(), IFLA_IFALIAS, static_cast<int>(alias.size()), alias.data()), "marking a link");
  check(nl_send_sync(socket_.get(), message.release()), "marking a link");
}

void Links::set_up(int index) {
  switch_link(socket_.get(), index, IFF_UP, "on");
}

void Links::set_down(int index) {
  switch_link(socket_.get(), index, 0, "off");
}

void Links::add_port(int index, int bridge) {
  auto master = link_message(RTM_SETLINK, AF_UNSPEC, index);
  check(nla_put_u32(master.get(), IFLA_MASTER, static_cast<std::uint32_t>(bridge)), "making a netlink request");
  check(nl_send_sync(socket_.get(), master.release()), "adding a port to the bridge");
  auto isolated = link_message(RTM_SETLINK, AF_BRIDGE, index);
  nlattr* nest = nla_nest_start(isolated.get(), IFLA_PROTINFO | NLA_F_NESTED);
  if (nest == nullptr) throw Error("out of memory for a netlink request");
  check(nla_put_u8(isolated.get(), IFLA_BRPORT_ISOLATED, 1), "making a netlink request");
  // Who is where is told by add_station, not learned from what guests send; and nobody hears what is for another.
  for (int flag : {IFLA_BRPORT_LEARNING, IFLA_BRPORT_UNICAST_FLOOD, IFLA_BRPORT_MCAST_FLOOD, IFLA_BRPORT_BCAST_FLOOD}) {
    check(nla_put_u8(isolated.get(), flag, 0), "making a netlink request");
  }
  nla_nest_end(isolated.get(), nest);
  check(nl_send_sync(socket_.get(), isolated.release()), "isolating a port of the bridge");
}

void Links::add_station(int port, int bridge, const Mac& mac, Ipv4 address) {
  auto entry = neighbour_message(RTM_NEWNEIGH, AF_BRIDGE, port, NUD_NOARP, NTF_MASTER);
  put_mac(entry.get(), mac);
  check(nl_send_sync(socket_.get(), entry.release()), "telling the bridge where " + format(mac) + " is");
  auto neighbour = neighbour_message(RTM_NEWNEIGH, AF_INET, bridge, NUD_PERMANENT, 0);
  put_address(neighbour.get(), address);
  put_mac(neighbour.get(), mac);
  check(nl_send_sync(socket_.get(), neighbour.release()), "telling the host where " + format(address) + " is");
}

bool Links::has_address(int index, Ipv4 address, unsigned bits) {
  nl_cache* raw = nullptr;
  check(rtnl_addr_alloc_cache(socket_.get(), &raw), "listing the host's addresses");
  const Owned<nl_cache> cache(raw);
  const auto wanted = netlink_address(address, bits);
  for (nl_object* object = nl_cache_get_first(raw); object != nullptr; object = nl_cache_get_next(object)) {
    auto* one = reinterpret_cast<rtnl_addr*>(object);
    nl_addr* const local = rtnl_addr_get_local(one);
    if (rtnl_addr_get_ifindex(one) == index && local != nullptr && nl_addr_cmp(local, wanted.get()) == 0) return true;
  }
  return false;
}

bool Links::has_station(int port, int bridge, const Mac& mac, Ipv4 address) {
  nl_cache* raw = nullptr;
  check(rtnl_neigh_alloc_cache(socket_.get(), &raw), "listing the host's neighbours");
  const Owned<nl_cache> neighbours(raw);
  const auto wanted = netlink_address(address, 32);
  bool known_to_host = false;
  for (nl_object* object = nl_cache_get_first(raw); object != nullptr; object = nl_cache_get_next(object)) {
    auto* one = reinterpret_cast<rtnl_neigh*>(object);
    nl_addr* const there = rtnl_neigh_get_dst(one);
    if (rtnl_neigh_get_ifindex(one) == bridge && there != nullptr && nl_addr_cmp(there, wanted.get()) == 0 &&
        rtnl_neigh_get_state(one) == NUD_PERMANENT && mac_of(rtnl_neigh_get_lladdr(one)).bytes == mac.bytes) {
      known_to_host = true;
    }
  }
  return known_to_host && bridge_knows(socket_.get(), port, mac);
}

void Links::remove_neighbour(int bridge, Ipv4 address) {
  auto neighbour = neighbour_message(RTM_DELNEIGH, AF_INET, bridge, NUD_PERMANENT, 0);
  put_address(neighbour.get(), address);
  const int result = nl_send_sync(socket_.get(), neighbour.release());
  if (result != -NLE_NODEV && result != -NLE_OBJ_NOTFOUND) check(result, "forgetting where " + format(address) + " is");
}

void Links::remove(int index) {
  auto message = link_message(RTM_DELLINK, AF_UNSPEC, index);
  const int result = nl_send_sync(socket_.get(), message.release());
  if (result != -NLE_NODEV && result != -NLE_OBJ_NOTFOUND) check(result, "removing link " + std::to_string(index));
}

int Links::index_of(const std::string& name) {
  const unsigned index = if_nametoindex(name.c_str());
  if (index == 0) throw Error("there is no link " + name);
  return static_cast<int>(index);
}

}  // namespace agentvm::network
