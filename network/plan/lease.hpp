// lease.hpp - what one VM gets of the network: a tap, a MAC and an address, stable from its name.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "network/plan/address.hpp"

namespace agentvm::network {

/// IFLA_IFALIAS of every link of ours begins with it: the mark by which a later netd knows what to take away.
inline constexpr char link_mark[] = "agentvm";
/// Names of taps begin with it.
inline constexpr char tap_prefix[] = "avm-";
/// IFNAMSIZ without the final NUL.
inline constexpr std::size_t longest_link_name = 15;

/// Whether an alias is the mark, alone or followed by ":" and a VM's name.
bool is_own_alias(std::string_view alias) noexcept;
std::string tap_alias(std::string_view vm_name);

/// Whether a text can name a VM: [a-z0-9][a-z0-9-]{0,40}.
bool is_vm_name(std::string_view name) noexcept;

/// The bridge and what all guests share.
struct Network {
  std::string bridge;
  Mac bridge_mac;
  Prefix subnet;
  Ipv4 gateway;
  /// The host's links when agentvm switched IPv4 forwarding on; empty: it was on, or somebody else sees to it.
  std::vector<std::string> standing_links = {};
  /// Of these, those whose own forwarding was on all the same ("default": that of links to come).
  std::vector<std::string> forwarding_links = {};
  /// Whether ICMP redirects were taken (conf/all/accept_redirects), which the kernel changes with forwarding.
  bool accept_redirects = false;
  bool operator==(const Network&) const = default;
};
/// The bridge's MAC follows from its name, so that guests see the same one whatever ports come and go.
Network make_network(std::string bridge, const Prefix& subnet);

struct Lease {
  std::string vm;   ///< the VM's name
  std::string tap;  ///< at most 15 characters
  Mac mac;          ///< locally administered, unicast (IEEE 802, 8.2)
  Ipv4 address;
  bool operator==(const Lease&) const = default;
};

/// A lease for a VM. Equal names get equal leases on an empty network; what is taken (by `leases`, or a link's name by
/// `links`) moves a later one on. Throws Error when the subnet has no address left or the name is not a VM's.
Lease plan_lease(const Network& network, const std::string& vm, const std::vector<Lease>& leases,
                 const std::vector<std::string>& links);

}  // namespace agentvm::network
