// subnet.cpp - the first network and name that nobody else has.
#include "network/plan/subnet.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/error.hpp"

namespace agentvm::network {

namespace {

/// RFC 1918, 3.
constexpr std::array private_networks{Prefix{{0x0a000000}, 8}, Prefix{{0xac100000}, 12}, Prefix{{0xc0a80000}, 16}};

/// Taken in turn; spread over the three private ranges, for one site tends to use one of them as a whole.
constexpr std::array fallbacks{Prefix{{0xc0a8b700}, 24}, Prefix{{0xac1d5300}, 24}, Prefix{{0xac155300}, 24},
                               Prefix{{0x0a535300}, 24}, Prefix{{0x0ab75300}, 24}, Prefix{{0xc0a8fb00}, 24}};

/// IFNAMSIZ without the NUL, less a digit of ours.
constexpr std::size_t longest_bridge_name = 14;

const UsedPrefix* user_of(const Prefix& subnet, const std::vector<UsedPrefix>& used) {
  const auto found =
      std::find_if(used.begin(), used.end(), [&](const UsedPrefix& one) { return one.prefix.overlaps(subnet); });
  return found == used.end() ? nullptr : &*found;
}

bool is_interface_name(const std::string& name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  });
}

}  // namespace

SubnetChoice choose_subnet(const Prefix& wanted, const std::vector<UsedPrefix>& used) {
  const bool is_private = std::any_of(private_networks.begin(), private_networks.end(),
                                      [&](const Prefix& one) { return one.contains(wanted.address); });
  if (!is_private || wanted.bits < 16 || wanted.bits > 28) {
    throw Error(fmt::format("{} cannot be the guests' network: it must lie in 10.0.0.0/8, 172.16.0.0/12 or "
                            "192.168.0.0/16 and have a length from /16 to /28",
                            format(wanted)),
                fmt::format("Take another one, as {}.", format(default_subnet)), ExitCode::usage);
  }
  const UsedPrefix* user = user_of(wanted, used);
  if (user == nullptr) return {wanted, ""};
  for (const Prefix& candidate : fallbacks) {
    if (user_of(candidate, used) != nullptr) continue;
    return {candidate, fmt::format("The guests' network is {}, for {} is in use on this host ({}, {}).",
                                   format(candidate), format(wanted), format(user->prefix), user->where)};
  }
  throw Error(
      fmt::format("no network is free for the guests: {} and {} others overlap with addresses or routes of this "
                  "host ({} is {})",
                  format(wanted), fallbacks.size(), format(user->prefix), user->where),
      "Name a free one with agentvm-netd --subnet.", ExitCode::cannot_start);
}

BridgeChoice choose_bridge(const std::string& wanted, const std::vector<std::string>& foreign_links) {
  if (!is_interface_name(wanted) || wanted.size() > longest_bridge_name) {
    throw Error(fmt::format("\"{}\" cannot name a bridge: a name has 1 to {} letters, digits, '-' and '_'", wanted,
                            longest_bridge_name),
                fmt::format("Take another one, as {}.", default_bridge), ExitCode::usage);
  }
  const auto taken = [&](const std::string& name) {
    return std::find(foreign_links.begin(), foreign_links.end(), name) != foreign_links.end();
  };
  if (!taken(wanted)) return {wanted, ""};
  for (char digit = '1'; digit <= '9'; ++digit) {
    const std::string name = wanted + digit;
    if (taken(name)) continue;
    return {name,
            fmt::format("The bridge is {}, for there is an interface {} that agentvm did not make.", name, wanted)};
  }
  throw Error(
      fmt::format("no name is free for the bridge: {0} and {0}1 to {0}9 are interfaces that agentvm did not make",
                  wanted),
      "Name another one with agentvm-netd --bridge.", ExitCode::cannot_start);
}

Ipv4 gateway_of(const Prefix& subnet) noexcept {
  return {subnet.address.value + 1};
}

}  // namespace agentvm::network
