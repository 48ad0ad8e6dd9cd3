// links.hpp - the host's links, addresses and routes over rtnetlink (libnl-3, libnl-route-3).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "network/plan/lease.hpp"
#include "network/plan/subnet.hpp"

struct nl_sock;

namespace agentvm::network {

struct Link {
  int index = 0;
  std::string name;
  std::string alias;
  std::string kind;  ///< "bridge", "tun", "veth"...; "" for a device
  Mac mac;
  int master = 0;  ///< index of the bridge it is a port of, 0: none
  bool up = false;
};

/// Whether agentvm made it: a tap with the mark and a name as we give it, or a bridge with the MAC that agentvm gives
/// to one of its name and no mark but ours (it is marked only after it was made, so a killed netd may leave one
/// without).
bool is_own(const Link& link);

/// One rtnetlink socket. Every function throws Error that names the link.
class Links {
 public:
  Links();

  std::vector<Link> list();
  /// Addresses and routes of the host that are not those of `own` links. The default route is none of them.
  std::vector<UsedPrefix> used_prefixes(const std::vector<Link>& own);

  /// A bridge, marked, down, without IPv6; returns its index.
  int add_bridge(const std::string& name, const Mac& mac);
  void add_address(int index, Ipv4 address, unsigned bits);
  void set_alias(int index, const std::string& alias);
  void set_up(int index);
  void set_down(int index);
  /// Makes a link a port of a bridge, isolated from every other isolated port, which learns and floods nothing.
  void add_port(int index, int bridge);
  /// Tells the bridge that a MAC is behind a port, and the host that an address is that MAC's. The first lasts as long
  /// as the port, the second until remove_neighbour.
  void add_station(int port, int bridge, const Mac& mac, Ipv4 address);
  /// Whether a link has an IPv4 address of that length.
  bool has_address(int index, Ipv4 address, unsigned bits);
  /// Whether both entries of add_station are there.
  bool has_station(int port, int bridge, const Mac& mac, Ipv4 address);
  /// It is no error when there is none.
  void remove_neighbour(int bridge, Ipv4 address);
  /// It is no error when there is no such link.
  void remove(int index);
  /// The index of a link by its name; throws when there is none.
  int index_of(const std::string& name);

 private:
  struct CloseSocket {
    void operator()(nl_sock* socket) const noexcept;
  };
  std::unique_ptr<nl_sock, CloseSocket> socket_;
};

}  // namespace agentvm::network
