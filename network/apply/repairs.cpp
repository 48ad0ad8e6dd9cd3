// repairs.cpp - what others undid of the guests' network: found, told, and made again.
#include <fmt/format.h>
#include <net/if.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "network/apply/host_network.hpp"
#include "network/apply/sysctl.hpp"
#include "network/plan/ruleset.hpp"

namespace agentvm::network {

bool HostNetwork::concerns(int index) const noexcept {
  if (!network_) return false;
  char name[IF_NAMESIZE] = {};
  return index == bridge_index_ || (if_indextoname(static_cast<unsigned>(index), name) != nullptr &&
                                    std::string_view(name).starts_with(tap_prefix));
}

std::vector<HostNetwork::Damage> HostNetwork::damages() {
  std::vector<Damage> found;
  if (!network_) return found;
  using Kind = Damage::Kind;
  const std::vector<Link> links = links_.list();
  const auto find = [&](auto&& is_it) { return std::find_if(links.begin(), links.end(), is_it); };
  if (!forwarding()) found.push_back({Kind::forwarding, {}, "IPv4 forwarding is off (net.ipv4.ip_forward = 0)"});
  const auto bridge = find([&](const Link& link) { return link.index == bridge_index_; });
  if (bridge == links.end()) {
    found.push_back({Kind::beyond_repair, {}, fmt::format("the bridge {} was deleted", network_->bridge)});
    return found;
  }
  if (!bridge->up) found.push_back({Kind::bridge_down, {}, fmt::format("the bridge {} is down", bridge->name)});
  if (!links_.has_address(bridge_index_, network_->gateway, network_->subnet.bits)) {
    found.push_back({Kind::address,
                     {},
                     fmt::format("the bridge {} has lost its address {}/{}", bridge->name, format(network_->gateway),
                                 network_->subnet.bits)});
  }
  for (const Lease& lease : leases_) {
    const std::string whose = fmt::format("{}, the tap of {},", lease.tap, lease.vm);
    const auto tap = find([&](const Link& link) { return link.name == lease.tap; });
    if (std::find(closed_taps_.begin(), closed_taps_.end(), lease.tap) != closed_taps_.end()) {
      found.push_back({Kind::beyond_repair, lease, whose + " is off, for its rules could not be made"});
    } else if (tap == links.end()) {
      found.push_back({Kind::beyond_repair, lease, whose + " was deleted"});
    } else {
      if (tap->master != bridge_index_) found.push_back({Kind::port, lease, whose + " was taken off the bridge"});
      if (!tap->up) found.push_back({Kind::tap_down, lease, whose + " is down"});
      // Whatever is switched off forgets its entries, so they come last.
      if (tap->master != bridge_index_ || !tap->up || !bridge->up ||
          !links_.has_station(tap->index, bridge_index_, lease.mac, lease.address)) {
        found.push_back({Kind::station, lease, fmt::format("the neighbour entries of {} are gone", lease.vm)});
      }
    }
  }
  return found;
}

void HostNetwork::mend(const Damage& damage) {
  const int tap = damage.lease ? links_.index_of(damage.lease->tap) : 0;
  switch (damage.kind) {
    case Damage::Kind::forwarding:
      return mend_forwarding();
    case Damage::Kind::bridge_down:
      return links_.set_up(bridge_index_);
    case Damage::Kind::address:
      return links_.add_address(bridge_index_, network_->gateway, network_->subnet.bits);
    case Damage::Kind::port:
      return links_.add_port(tap, bridge_index_);
    case Damage::Kind::tap_down:
      return links_.set_up(tap);
    case Damage::Kind::station:
      return links_.add_station(tap, bridge_index_, damage.lease->mac, damage.lease->address);
    case Damage::Kind::beyond_repair:
      return;
  }
}

/// When it was on for somebody else, who has switched it off: from now on it is on for the guests alone, and the host a
/// router for nobody else.
void HostNetwork::mend_forwarding() {
  if (network_->standing_links.empty()) {
    for (const Link& link : links_.list()) {
      if (is_own(link)) continue;
      network_->standing_links.push_back(link.name);
      if (forwarding_of(link.name)) network_->forwarding_links.push_back(link.name);
    }
    if (forwarding_of("default")) network_->forwarding_links.emplace_back("default");
    network_->accept_redirects = accept_redirects();
    std::vector<std::string> failures;
    remake_rules(failures);
    if (!failures.empty()) throw Error(failures.front());
  }
  set_forwarding(true);
}

std::vector<std::string> HostNetwork::repair() noexcept {
  std::vector<std::string> said;
  try {
    if (!network_) return said;
    // A bridge that is off because its rules cannot be made stays off.
    if (!firewall_.intact()) return restore_rules();
    for (const Damage& damage : damages()) {
      if (damage.kind == Damage::Kind::beyond_repair) continue;
      try {
        mend(damage);
        said.push_back(fmt::format("Guests were off line: {}. It was made again.", damage.sentence));
      } catch (const std::exception& error) {
        said.push_back(fmt::format("Guests are off line: {}, and {}.", damage.sentence, error.what()));
      }
    }
  } catch (const std::exception& error) {
    said.emplace_back(error.what());
  }
  return said;
}

}  // namespace agentvm::network
