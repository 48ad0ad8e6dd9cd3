// ruleset.hpp - the firewall of the guests' network, as libnftables JSON (libnftables-json(5)).
//
// Three tables, all named "agentvm" and nobody else's. Guests are elements of sets, so that one lease more or less
// changes no rule. What is not a guest's traffic passes the tables untouched.
//
//   inet agentvm    prerouting: nothing comes from a tap past the bridge
//                   forward: guests reach public IPv4 addresses, nothing else; nobody reaches a guest
//                   input: guests reach the gateway's DNS, nothing else of the host
//                   both: so many flows at a time for each guest
//                   postrouting: masquerade
//   bridge agentvm  prerouting: a guest sends IPv4 from its own MAC and address to the bridge's MAC, and ARP about
//                   itself to the gateway; every other frame (IPv6, VLANs, DHCP, another's address) is dropped
//                   forward: nothing passes from port to port
//                   output: a tap gets frames to its own MAC, nothing else
//   netdev agentvm  a chain for each tap: no frame of a link-local protocol (IEEE 802.1Q, 8.6.3), which the bridge
//   would
//                   take past its rules
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "network/plan/lease.hpp"

namespace agentvm::network {

inline constexpr char table_name[] = "agentvm";
inline constexpr int table_count = 3;
/// Flows (connections, or pairs of addresses and ports) that a guest may have the host remember at a time. Linux
/// remembers 65,536 to 262,144 for everybody on most machines (nf_conntrack_max), and a package manager opens some
/// hundred.
inline constexpr int most_flows = 4096;
/// A set of that name in the inet table says that IPv4 forwarding was off before agentvm came.
inline constexpr char standing_set[] = "standing";
/// Sets beside it with what else changes with forwarding: Network::forwarding_links, and "all" for accept_redirects.
inline constexpr char forwarding_set[] = "forwarding";
inline constexpr char redirects_set[] = "redirects";

/// The tables without any guest, in place of whatever tables of that name there are.
nlohmann::json ruleset_of(const Network& network);
/// A guest more, whose tap is there, and a guest less, whose tap may be gone.
nlohmann::json admit(const Lease& lease);
nlohmann::json dismiss(const Lease& lease);
/// The tables away; it is no error when there are none.
nlohmann::json no_ruleset();

/// In their place, what keeps a host whose forwarding stays on from routing between the links there were.
nlohmann::json standing_ruleset(const Network& network);

/// What the rules mean, a sentence each, for people.
std::vector<std::string> describe_rules(const Network& network);

}  // namespace agentvm::network
