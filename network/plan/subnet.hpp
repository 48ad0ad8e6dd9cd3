// subnet.hpp - which addresses and which bridge name the guests' network takes on a host that has others already.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "network/plan/address.hpp"

namespace agentvm::network {

inline constexpr char default_bridge[] = "microbr";
inline constexpr Prefix default_subnet{{0xc0a85300}, 24};  ///< 192.168.83.0/24

/// Addresses the host has a use for already.
struct UsedPrefix {
  Prefix prefix;
  std::string where;  ///< what uses them, as "the route over eth0"
};

struct SubnetChoice {
  Prefix subnet;
  std::string note;  ///< a sentence when it is not the one wanted, else ""
};

/// `wanted`, or when a used prefix overlaps it, the first free one of a list of private /24 networks. Throws Error when
/// every one is in use, or when `wanted` is not a private network of /16 to /28.
SubnetChoice choose_subnet(const Prefix& wanted, const std::vector<UsedPrefix>& used);

struct BridgeChoice {
  std::string name;
  std::string note;  ///< a sentence when it is not the one wanted, else ""
};

/// `wanted`, or when a link of somebody else has that name, the name with a digit behind it. Throws Error when all are
/// taken, or when `wanted` is not a name for an interface of at most 14 characters.
BridgeChoice choose_bridge(const std::string& wanted, const std::vector<std::string>& foreign_links);

/// The first address of a subnet: the bridge's own, and the guests' gateway and resolver.
Ipv4 gateway_of(const Prefix& subnet) noexcept;

}  // namespace agentvm::network
