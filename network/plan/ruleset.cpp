// ruleset.cpp - the rules, statement by statement.
#include "network/plan/ruleset.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace agentvm::network {

using nlohmann::json;

namespace {

constexpr char taps_set[] = "taps";
constexpr char senders_set[] = "senders";
constexpr char arp_senders_set[] = "arp_senders";
constexpr char closed_set[] = "closed";
constexpr char receivers_set[] = "receivers";
constexpr char flows_set[] = "flows";

/// Addresses that are nobody's on the internet (IANA's special-purpose registry, RFC 6890), multicast, and 240.0.0.0/4
/// with the broadcast address. Documentation prefixes are left out: nobody has them. The one public address is that of
/// Azure's host services, which answer a VM that runs agentvm with its metadata and keys.
constexpr std::pair<const char*, int> closed_prefixes[] = {
    {"0.0.0.0", 8},        {"10.0.0.0", 8},     {"100.64.0.0", 10}, {"127.0.0.0", 8},
    {"168.63.129.16", 32}, {"169.254.0.0", 16}, {"172.16.0.0", 12}, {"192.0.0.0", 24},
    {"192.168.0.0", 16},   {"198.18.0.0", 15},  {"224.0.0.0", 4},   {"240.0.0.0", 4},
};

/// The statements of one table.
class Table {
 public:
  Table(const char* family, json& commands) : family_(family), commands_(commands) {}

  json named(const char* name) const { return {{"family", family_}, {"table", table_name}, {"name", name}}; }

  /// Emptied by being made, deleted and made again: deleting what is not there would fail the transaction.
  void remake() {
    remove();
    add("table", {{"family", family_}, {"name", table_name}});
  }
  void remove() {
    const json table = {{"family", family_}, {"name", table_name}};
    add("table", table);
    commands_.push_back({{"delete", {{"table", table}}}});
  }

  void set(const char* name, json type, bool intervals = false, json elements = nullptr) {
    json one = named(name);
    one["type"] = std::move(type);
    if (intervals) one["flags"] = json::array({"interval"});
    if (!elements.is_null()) one["elem"] = std::move(elements);
    add("set", std::move(one));
  }

  void chain(const char* name) { add("chain", named(name)); }
  /// `device`: of the netdev family, the link whose frames it sees.
  void base_chain(const char* name, const char* type, const char* hook, int priority, const char* device = nullptr) {
    json one = named(name);
    if (device != nullptr) one["dev"] = device;
    one["type"] = type;
    one["hook"] = hook;
    one["prio"] = priority;
    one["policy"] = "accept";
    add("chain", std::move(one));
  }

  /// With its rules. It may be gone already: the kernel takes a netdev chain away with its link.
  void remove_chain(const char* name) {
    chain(name);
    commands_.push_back({{"delete", {{"chain", named(name)}}}});
  }

  void rule(const char* chain, std::vector<json> statements) {
    add("rule", {{"family", family_}, {"table", table_name}, {"chain", chain}, {"expr", json(std::move(statements))}});
  }

  void element(const char* command, const char* set, json element) {
    json one = named(set);
    one["elem"] = json::array({std::move(element)});
    commands_.push_back({{command, {{"element", std::move(one)}}}});
  }

 private:
  void add(const char* kind, json what) { commands_.push_back({{"add", {{kind, std::move(what)}}}}); }

  const char* family_;
  json& commands_;
};

json match(json left, const char* op, json right) {
  return {{"match", {{"op", op}, {"left", std::move(left)}, {"right", std::move(right)}}}};
}
json meta(const char* key) {
  return {{"meta", {{"key", key}}}};
}
json field(const char* protocol, const char* name) {
  return {{"payload", {{"protocol", protocol}, {"field", name}}}};
}
json in_set(const char* set) {
  return std::string("@") + set;
}
json concat(std::initializer_list<json> parts) {
  return {{"concat", json(std::vector<json>(parts))}};
}
json jump(const char* chain) {
  return {{"jump", {{"target", chain}}}};
}
json in_state(json states) {
  return match({{"ct", {{"key", "state"}}}}, "in", std::move(states));
}
/// Counted by source address, in every chain that says it: the kernel's table of connections is everybody's.
json too_many_flows() {
  return {{"set",
           {{"op", "add"},
            {"elem", field("ip", "saddr")},
            {"set", in_set(flows_set)},
            {"stmt", json::array({json::object({{"ct count", {{"val", most_flows}, {"inv", true}}}})})}}}};
}
/// A connection's first segments promise no more than the narrower of both ways carries: an uplink with a smaller MTU
/// whose "fragmentation needed" is lost on the way would take every download otherwise.
json clamp_segment_size() {
  return {
      {"mangle",
       {{"key", {{"tcp option", {{"name", "maxseg"}, {"field", "size"}}}}}, {"value", {{"rt", {{"key", "mtu"}}}}}}}};
}
json local_destination() {
  return match({{"fib", {{"result", "type"}, {"flags", json::array({"daddr"})}}}}, "==", "local");
}

const json accept = {{"accept", nullptr}};
const json drop = {{"drop", nullptr}};
const json counter = {{"counter", nullptr}};

/// nftables' own priorities (nft(8)): "filter" of inet, "srcnat", and "dstnat" of bridge, the first of them.
constexpr int filter_priority = 0;
constexpr int source_nat_priority = 100;
constexpr int first_bridge_priority = -300;
constexpr int raw_priority = -300;
constexpr int ingress_priority = -500;

/// Forwarding was off and is on for the guests alone: the host becomes no router between its other networks. Links that
/// come later (a container engine's) are not listed, and so not hindered.
void add_standing(Table& table, const Network& network) {
  table.set(standing_set, "ifname", false, json(network.standing_links));
  table.set(forwarding_set, "ifname", false,
            network.forwarding_links.empty() ? json() : json(network.forwarding_links));
  table.set(redirects_set, "ifname", false, network.accept_redirects ? json::array({"all"}) : json());
  table.rule("forward", {match(meta("iifname"), "==", in_set(standing_set)),
                         match(meta("oifname"), "==", in_set(standing_set)), counter, drop});
}

void add_inet(Table table, const Network& network) {
  const std::string subnet = format(network.subnet.address);
  const json from_guests = match(meta("iifname"), "==", network.bridge);
  const json to_guests = match(meta("oifname"), "==", network.bridge);

  table.remake();
  json closed = json::array();
  for (const auto& [address, bits] : closed_prefixes)
    closed.push_back({{"prefix", {{"addr", address}, {"len", bits}}}});
  table.set(closed_set, "ipv4_addr", true, std::move(closed));
  table.set(taps_set, "ifname");
  // One element for each guest that ever had a flow; libnftables marks it as written by rules (1.0.6 has no word for
  // it).
  table.set(flows_set, "ipv4_addr");
  for (const char* chain : {"from_guests", "to_guests", "guests_to_host"}) table.chain(chain);

  table.rule("from_guests", {match(meta("nfproto"), "!=", "ipv4"), counter, drop});
  table.rule("from_guests", {in_state("invalid"), counter, drop});
  table.rule("from_guests", {to_guests, counter, drop});
  table.rule("from_guests", {match(field("ip", "daddr"), "==", in_set(closed_set)), counter, drop});
  table.rule("from_guests", {local_destination(), counter, drop});
  table.rule("from_guests", {in_state("new"), too_many_flows(), counter, drop});
  // A guest's ICMP errors are "related" to whatever flow they quote, others' too.
  table.rule("from_guests", {in_state(json::array({"new", "established"})), accept});
  table.rule("from_guests", {counter, drop});

  table.rule("to_guests", {in_state(json::array({"established", "related"})), accept});
  table.rule("to_guests", {counter, drop});

  table.rule("guests_to_host", {in_state("new"), too_many_flows(), counter, drop});
  for (const char* protocol : {"udp", "tcp"}) {
    table.rule("guests_to_host", {match(field("ip", "daddr"), "==", format(network.gateway)),
                                  match(field(protocol, "dport"), "==", 53), accept});
  }
  table.rule("guests_to_host", {counter, drop});

  // A bridge hands on what it takes in with its own link as the origin. Only frames of link-local protocols
  // (01:80:c2:00:00:0x) come from a port itself, past the bridge's rules.
  table.base_chain("prerouting", "filter", "prerouting", raw_priority);
  table.rule("prerouting", {match(meta("iifname"), "==", in_set(taps_set)), counter, drop});
  table.base_chain("forward", "filter", "forward", filter_priority);
  const json opens = match(field("tcp", "flags"), "in", "syn");
  for (const json& direction : {from_guests, to_guests})
    table.rule("forward", {direction, opens, clamp_segment_size()});
  table.rule("forward", {from_guests, jump("from_guests")});
  table.rule("forward", {to_guests, jump("to_guests")});
  if (!network.standing_links.empty()) add_standing(table, network);
  table.base_chain("input", "filter", "input", filter_priority);
  table.rule("input", {from_guests, jump("guests_to_host")});
  table.base_chain("postrouting", "nat", "postrouting", source_nat_priority);
  table.rule("postrouting",
             {match(field("ip", "saddr"), "==", {{"prefix", {{"addr", subnet}, {"len", network.subnet.bits}}}}),
              match(meta("oifname"), "!=", network.bridge),
              {{"masquerade", nullptr}}});
}

void add_bridge(Table table, const Network& network) {
  table.remake();
  table.set(taps_set, "ifname");
  table.set(senders_set, json::array({"ifname", "ether_addr", "ipv4_addr"}));
  table.set(arp_senders_set, json::array({"ifname", "ether_addr", "ether_addr", "ipv4_addr"}));
  table.set(receivers_set, json::array({"ifname", "ether_addr"}));
  table.chain("from_guest");
  const json iif = meta("iifname");
  const json source = field("ether", "saddr");
  table.rule("from_guest", {match(field("ether", "type"), "==", "ip"),
                            match(field("ether", "daddr"), "==", format(network.bridge_mac)),
                            match(concat({iif, source, field("ip", "saddr")}), "==", in_set(senders_set)), accept});
  // ARP about other addresses of the host is answered by Linux on any link (arp_ignore), so only the gateway's passes.
  table.rule("from_guest",
             {match(field("ether", "type"), "==", "arp"), match(field("arp", "htype"), "==", 1),
              match(field("arp", "ptype"), "==", "ip"), match(field("arp", "daddr ip"), "==", format(network.gateway)),
              match(concat({iif, source, field("arp", "saddr ether"), field("arp", "saddr ip")}),
                    "==", in_set(arp_senders_set)),
              accept});
  table.rule("from_guest", {counter, drop});

  table.base_chain("prerouting", "filter", "prerouting", first_bridge_priority);
  table.rule("prerouting", {match(iif, "==", in_set(taps_set)), jump("from_guest")});
  table.base_chain("forward", "filter", "forward", first_bridge_priority);
  for (const char* side : {"iifname", "oifname"}) {
    table.rule("forward", {match(meta(side), "==", in_set(taps_set)), counter, drop});
  }
  // Whatever the bridge believes about where a MAC is (a tap's owner may give the tap another's), or floods.
  table.base_chain("output", "filter", "output", first_bridge_priority);
  table.rule("output",
             {match(meta("oifname"), "==", in_set(taps_set)),
              match(concat({meta("oifname"), field("ether", "daddr")}), "!=", in_set(receivers_set)), counter, drop});
}

json document(json commands) {
  return {{"nftables", std::move(commands)}};
}

json elements(const char* command, const Lease& lease) {
  json commands = json::array();
  Table inet("inet", commands);
  inet.element(command, taps_set, lease.tap);
  Table bridge("bridge", commands);
  const std::string mac = format(lease.mac);
  const std::string address = format(lease.address);
  bridge.element(command, senders_set, concat({lease.tap, mac, address}));
  bridge.element(command, arp_senders_set, concat({lease.tap, mac, mac, address}));
  bridge.element(command, receivers_set, concat({lease.tap, mac}));
  bridge.element(command, taps_set, lease.tap);
  return commands;
}

}  // namespace

json ruleset_of(const Network& network) {
  json commands = json::array();
  add_inet(Table("inet", commands), network);
  add_bridge(Table("bridge", commands), network);
  Table("netdev", commands).remake();
  return document(std::move(commands));
}

json admit(const Lease& lease) {
  json commands = elements("add", lease);
  // The kernel takes frames of link-local protocols from a port before the bridge's rules see them (br_handle_frame).
  Table ingress("netdev", commands);
  ingress.base_chain(lease.tap.c_str(), "filter", "ingress", ingress_priority, lease.tap.c_str());
  ingress.rule(lease.tap.c_str(),
               {match({{"&", json::array({field("ether", "daddr"), "ff:ff:ff:ff:ff:f0"})}}, "==", "01:80:c2:00:00:00"),
                counter, drop});
  return document(std::move(commands));
}

json dismiss(const Lease& lease) {
  json commands = elements("delete", lease);
  Table("netdev", commands).remove_chain(lease.tap.c_str());
  return document(std::move(commands));
}

json no_ruleset() {
  json commands = json::array();
  for (const char* family : {"inet", "bridge", "netdev"}) Table(family, commands).remove();
  return document(std::move(commands));
}

json standing_ruleset(const Network& network) {
  json commands = no_ruleset().at("nftables");
  Table table("inet", commands);
  table.remake();
  table.base_chain("forward", "filter", "forward", filter_priority);
  add_standing(table, network);
  return document(std::move(commands));
}

std::vector<std::string> describe_rules(const Network& network) {
  std::vector<std::string> lines;
  lines.push_back(fmt::format("Guests of {} ({}) reach public IPv4 addresses through the host's own (masquerade).",
                              network.bridge, format(network.subnet)));
  lines.emplace_back(
      "They reach no private (RFC 1918), carrier-grade NAT, link-local, metadata (169.254.169.254), loopback, "
      "multicast "
      "or reserved address, and no address of the host.");
  lines.push_back(
      fmt::format("Of the host they reach DNS at {}, over UDP and TCP, and nothing else.", format(network.gateway)));
  lines.emplace_back(
      "Nobody opens a connection to a guest, and no guest sees another: ports are isolated, frames between them "
      "dropped.");
  lines.emplace_back("TCP segments are as small as the narrower way needs (MSS clamped to the route's MTU).");
  lines.push_back(fmt::format("A guest has at most {} flows at a time.", most_flows));
  lines.emplace_back(
      "A guest sends from its own MAC and address only; ARP for others, IPv6, DHCP, VLANs and broadcasts are dropped.");
  if (!network.standing_links.empty()) {
    lines.emplace_back(
        "IPv4 forwarding was off: it is on while there are guests, and only their packets are forwarded between the "
        "interfaces there were.");
  }
  return lines;
}

}  // namespace agentvm::network
