// host_network.cpp - bridge, rules, taps and resolver in the order that never leaves a tap without its rules.
#include "network/apply/host_network.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "network/apply/connections.hpp"
#include "network/apply/sysctl.hpp"
#include "network/apply/tap.hpp"
#include "network/plan/ruleset.hpp"

namespace agentvm::network {

using nlohmann::json;

namespace {

std::vector<std::string> names_of(const std::vector<Link>& links, bool own) {
  std::vector<std::string> names;
  for (const Link& link : links) {
    if (is_own(link) == own) names.push_back(link.name);
  }
  return names;
}

std::vector<Link> own_links(const std::vector<Link>& links) {
  std::vector<Link> own;
  std::copy_if(links.begin(), links.end(), std::back_inserter(own), is_own);
  // Taps before the bridge they are on.
  std::stable_sort(own.begin(), own.end(),
                   [](const Link& a, const Link& b) { return a.kind != "bridge" && b.kind == "bridge"; });
  return own;
}

/// Forwarding as it was, unless links came that somebody else may need it for. Returns the rules to leave behind.
json rest_of_rules(const Network& was, const std::vector<Link>& links, std::vector<std::string>& said) {
  if (was.standing_links.empty() || !forwarding()) return no_ruleset();
  for (const std::string& name : names_of(links, false)) {
    if (std::find(was.standing_links.begin(), was.standing_links.end(), name) != was.standing_links.end()) continue;
    said.push_back(
        fmt::format("IPv4 forwarding stays on: the interface {} came since, and may need it. Between the interfaces "
                    "there were nothing is forwarded, until: nft delete table inet {}.",
                    name, table_name));
    return standing_ruleset(was);
  }
  set_forwarding(false);
  for (const std::string& link : was.forwarding_links) set_forwarding_of(link, true);
  set_accept_redirects(was.accept_redirects);
  return no_ruleset();
}

template <typename Act>
void attempt(std::vector<std::string>& failures, const Act& act) noexcept {
  try {
    act();
  } catch (const std::exception& error) {
    failures.emplace_back(error.what());
  }
}

}  // namespace

std::vector<std::string> HostNetwork::recover() {
  std::vector<std::string> said;
  const std::vector<Link> links = links_.list();
  for (const Link& link : own_links(links)) {
    links_.remove(link.index);
    said.push_back(fmt::format("The {} {} of a killed agentvm-netd was removed.", link.kind, link.name));
  }
  Network was;
  remember_forwarding(was);
  firewall_.apply(rest_of_rules(was, links, said));
  if (kill_orphaned_resolvers() > 0) said.emplace_back("What was left of a killed one's dnsmasq was ended.");
  return said;
}

void HostNetwork::remember_forwarding(Network& network) {
  network.standing_links = firewall_.links_in(standing_set);
  network.forwarding_links = firewall_.links_in(forwarding_set);
  network.accept_redirects = !firewall_.links_in(redirects_set).empty();
}

Network HostNetwork::choose(const std::vector<Link>& links) {
  notes_.clear();
  const BridgeChoice bridge = choose_bridge(options_.bridge, names_of(links, false));
  const SubnetChoice subnet = choose_subnet(options_.subnet, links_.used_prefixes(own_links(links)));
  for (const std::string& note : {bridge.note, subnet.note}) {
    if (!note.empty()) notes_.push_back(note);
  }
  Network network = make_network(bridge.name, subnet.subnet);
  if (forwarding()) {
    remember_forwarding(network);  // on for links that came during an earlier lease
    return network;
  }
  network.standing_links = names_of(links, false);
  network.forwarding_links = network.standing_links;
  network.forwarding_links.emplace_back("default");
  std::erase_if(network.forwarding_links, [](const std::string& link) { return !forwarding_of(link); });
  network.accept_redirects = accept_redirects();
  return network;
}

void HostNetwork::bring_up() {
  network_ = choose(links_.list());
  try {
    bridge_index_ = links_.add_bridge(network_->bridge, network_->bridge_mac);
    disable_ipv6(network_->bridge);
    links_.add_address(bridge_index_, network_->gateway, network_->subnet.bits);
    firewall_.apply(ruleset_of(*network_));
    links_.set_up(bridge_index_);
    // Only now, with the rules there that keep it to the guests.
    if (!network_->standing_links.empty() && !forwarding()) set_forwarding(true);
    resolver_.emplace(options_.dnsmasq, network_->gateway);
  } catch (...) {
    bring_down();
    throw;
  }
}

std::vector<std::string> HostNetwork::bring_down() noexcept {
  std::vector<std::string> said;
  resolver_.reset();
  if (!network_) return said;
  json rest = no_ruleset();
  attempt(said, [&] { rest = rest_of_rules(*network_, links_.list(), said); });
  if (bridge_index_ != 0) attempt(said, [&] { links_.remove(bridge_index_); });
  attempt(said, [&] { firewall_.apply(rest); });
  bridge_index_ = 0;
  network_.reset();
  return said;
}

LeaseInfo HostNetwork::acquire(const std::string& vm, uid_t owner, bool multi_queue) {
  if (!network_) bring_up();
  if (!resolver_) resolver_.emplace(options_.dnsmasq, network_->gateway);  // it had died, and too soon to be replaced
  std::optional<Lease> lease;
  int index = 0;
  try {
    lease = plan_lease(*network_, vm, leases_, names_of(links_.list(), false));
    make_tap(lease->tap, owner, multi_queue, [&] {
      index = links_.index_of(lease->tap);
      links_.set_alias(index, tap_alias(vm));
    });
    disable_ipv6(lease->tap);
    std::vector<std::string> obstacle;
    attempt(obstacle, [&] { forget_connections(lease->address); });
    if (!obstacle.empty())
      notes_.push_back("Answers to the last holder of an address may reach the next: " + obstacle[0]);
    firewall_.apply(admit(*lease));
    links_.add_port(index, bridge_index_);
    links_.add_station(index, bridge_index_, lease->mac, lease->address);
    links_.set_up(index);
  } catch (...) {
    std::vector<std::string> ignored;
    if (index != 0) attempt(ignored, [&] { links_.remove(index); });
    if (lease) attempt(ignored, [&] { links_.remove_neighbour(bridge_index_, lease->address); });
    if (lease) attempt(ignored, [&] { firewall_.apply(dismiss(*lease)); });
    if (leases_.empty()) bring_down();
    throw;
  }
  leases_.push_back(*lease);
  return {*lease, network_->bridge, network_->subnet.bits, network_->gateway, network_->gateway, notes_};
}

std::vector<std::string> HostNetwork::release(const Lease& lease) {
  std::vector<std::string> said;
  const auto found = std::find(leases_.begin(), leases_.end(), lease);
  if (found == leases_.end()) return said;
  leases_.erase(found);
  // The tap first: as long as it is there, its rules are.
  attempt(said, [&] {
    for (const Link& link : links_.list()) {
      if (link.name == lease.tap && is_own(link)) links_.remove(link.index);
    }
  });
  std::vector<std::string> ignored;  // said with the next lease, which tries again
  attempt(ignored, [&] { forget_connections(lease.address); });
  if (!leases_.empty()) {
    attempt(said, [&] { links_.remove_neighbour(bridge_index_, lease.address); });
    attempt(said, [&] { firewall_.apply(dismiss(lease)); });
    return said;
  }
  for (std::string& sentence : bring_down()) said.push_back(std::move(sentence));
  return said;
}

std::vector<std::string> HostNetwork::close() noexcept {
  std::vector<std::string> said;
  attempt(said, [&] {
    while (!leases_.empty()) {
      const Lease last = leases_.back();
      for (std::string& sentence : release(last)) said.push_back(std::move(sentence));
    }
  });
  return said;
}

std::vector<std::string> HostNetwork::restore_rules() noexcept {
  std::vector<std::string> said;
  attempt(said, [&] {
    if (!network_ || firewall_.intact()) return;
    said.emplace_back("Somebody deleted the guests' rules (nft flush ruleset, or a reload of nftables): made again.");
    remake_rules(said);
  });
  return said;
}

void HostNetwork::remake_rules(std::vector<std::string>& failures) {
  // Without rules nothing may pass; and when they cannot be made again, nothing does.
  links_.set_down(bridge_index_);
  firewall_.apply(ruleset_of(*network_));
  closed_taps_.clear();
  for (const Lease& lease : leases_) {
    const std::size_t before = failures.size();
    attempt(failures, [&] { firewall_.apply(admit(lease)); });
    if (failures.size() == before) continue;
    // A tap the rules do not know of is no guest's to them: it must not be a port that works.
    closed_taps_.push_back(lease.tap);
    links_.set_down(links_.index_of(lease.tap));
  }
  links_.set_up(bridge_index_);
  // Only now: switching a link off forgets its neighbours.
  for (const Lease& lease : leases_) {
    attempt(failures, [&] { links_.add_station(links_.index_of(lease.tap), bridge_index_, lease.mac, lease.address); });
  }
}

void HostNetwork::restart_resolver(bool again) {
  resolver_.reset();
  kill_orphaned_resolvers();
  if (network_ && again) resolver_.emplace(options_.dnsmasq, network_->gateway);
}

std::vector<std::string> HostNetwork::explain() {
  const std::vector<Link> links = links_.list();
  const Network network = choose(links);
  std::vector<std::string> lines = {fmt::format(
      "With the first lease: the bridge {} with {}/{} is made, and dnsmasq answers DNS there. With the last "
      "one both go.",
      network.bridge, format(network.gateway), network.subnet.bits)};
  lines.insert(lines.end(), notes_.begin(), notes_.end());
  for (std::string& rule : describe_rules(network)) lines.push_back(std::move(rule));
  for (const Link& link : own_links(links)) {
    lines.push_back(fmt::format("There is a {} {} of agentvm now.", link.kind, link.name));
  }
  return lines;
}

std::vector<std::string> HostNetwork::obstacles() {
  std::vector<std::string> lines;
  for (const Damage& damage : damages()) {
    lines.push_back(fmt::format("Guests are off line: {}. {}", damage.sentence,
                                damage.kind == Damage::Kind::beyond_repair
                                    ? "End the VMs concerned and start them again."
                                    : "agentvm-netd makes it again; its log says when it cannot."));
  }
  const std::vector<Link> links = links_.list();
  const Network network = network_ ? *network_ : choose(links);
  if (const std::string reason = tap_obstacle(); !reason.empty()) {
    lines.push_back(fmt::format("No tap can be made: {}. Load the kernel's module: modprobe tun.", reason));
  }
  if (!find_resolver(options_.dnsmasq)) {
    lines.push_back(fmt::format("{} is not installed, and guests have no DNS without it: apt install dnsmasq-base.",
                                options_.dnsmasq));
  }
  for (const UsedPrefix& used : links_.used_prefixes(own_links(links))) {
    if (!used.prefix.overlaps(network.subnet)) continue;
    lines.push_back(
        fmt::format("The guests' network {} overlaps with {} ({}), which came later: end the VMs, and the next "
                    "one gets another network.",
                    format(network.subnet), format(used.prefix), used.where));
  }
  for (const PolicyDrop& drop : firewall_.policy_drops(network.bridge)) {
    if (drop.hook == "input") {
      lines.push_back(
          fmt::format("Guests may have no DNS: the chain {0} of table {1} {2} drops what comes in. Let it pass: nft "
                      "insert rule {1} {2} {0} iifname {3} meta l4proto {{ udp, tcp }} th dport 53 accept.",
                      drop.chain, drop.family, drop.table, network.bridge));
      continue;
    }
    lines.push_back(
        fmt::format("Guests do not reach the internet: the chain {0} of table {1} {2} drops what is forwarded. "
                    "Let them pass: nft insert rule {1} {2} {3} iifname {4} accept; nft insert rule {1} {2} "
                    "{3} oifname {4} ct state established,related accept.",
                    drop.chain, drop.family, drop.table, drop.open_chain, network.bridge));
  }
  return lines;
}

}  // namespace agentvm::network
