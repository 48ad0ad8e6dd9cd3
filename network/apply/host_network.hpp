// host_network.hpp - the guests' network on this host: made with the first lease, gone with the last.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "network/apply/firewall.hpp"
#include "network/apply/links.hpp"
#include "network/apply/resolver.hpp"
#include "network/plan/protocol.hpp"

namespace agentvm::network {

struct NetworkOptions {
  std::string bridge = default_bridge;
  Prefix subnet = default_subnet;
  std::string dnsmasq = "dnsmasq";  ///< a path, or a name looked for where system programs are
};

/// The one owner of bridge, taps, rules and resolver. Not thread-safe; needs CAP_NET_ADMIN.
class HostNetwork {
 public:
  explicit HostNetwork(NetworkOptions options) : options_(std::move(options)) {}
  ~HostNetwork() { close(); }
  HostNetwork(const HostNetwork&) = delete;
  HostNetwork& operator=(const HostNetwork&) = delete;

  /// Takes away what a killed predecessor left, found by its marks: links, tables, forwarding. Returns what it was, in
  /// words. Throws Error when something stays.
  std::vector<std::string> recover();

  /// A tap on the bridge, filtered and up, that `owner` may open. Throws Error; then nothing of it is left.
  LeaseInfo acquire(const std::string& vm, uid_t owner, bool multi_queue);
  /// Takes the lease away; with the last one bridge, rules and resolver go and forwarding is as it was. Returns what
  /// went wrong, in words.
  std::vector<std::string> release(const Lease& lease);
  /// After a table was deleted: when one of ours is missing, the bridge is off until all rules are there again; it
  /// stays off when they cannot be made. Returns what happened, in words.
  std::vector<std::string> restore_rules() noexcept;
  /// After something changed about our links or forwarding: makes again what others undid (ip_forward = 0, a bridge or
  /// tap that was switched off or lost its address, neighbour entries). Returns what happened, in words.
  std::vector<std::string> repair() noexcept;
  /// Whether a link, by its index, is one of ours that repair() looks after.
  bool concerns(int index) const noexcept;
  /// Everything away.
  std::vector<std::string> close() noexcept;

  const std::optional<Network>& network() const noexcept { return network_; }
  const std::vector<Lease>& leases() const noexcept { return leases_; }
  const std::vector<std::string>& notes() const noexcept { return notes_; }

  /// nullptr: none runs.
  Resolver* resolver() noexcept { return resolver_ ? &*resolver_ : nullptr; }
  /// After dnsmasq has died: gives it up, and starts a new one when `again`. Throws Error.
  void restart_resolver(bool again);

  /// What would be done here, a sentence each; changes nothing.
  std::vector<std::string> explain();
  /// What stands against the network there is or would be, a sentence each with what to do; empty: nothing.
  std::vector<std::string> obstacles();

 private:
  /// Something that keeps guests off line.
  struct Damage {
    enum class Kind { forwarding, bridge_down, address, port, tap_down, station, beyond_repair } kind;
    std::optional<Lease> lease;
    std::string sentence;  ///< without a capital and a full stop
  };
  /// In the order in which they are to be mended.
  std::vector<Damage> damages();
  void mend(const Damage& damage);
  void mend_forwarding();
  /// All rules anew, with the bridge off meanwhile. What fails is added to `failures`; a tap without rules stays off.
  void remake_rules(std::vector<std::string>& failures);

  Network choose(const std::vector<Link>& links);
  /// What the rules there are say about how forwarding was.
  void remember_forwarding(Network& network);
  void bring_up();
  std::vector<std::string> bring_down() noexcept;

  NetworkOptions options_;
  Links links_;
  Firewall firewall_;
  std::optional<Network> network_;
  int bridge_index_ = 0;
  std::vector<std::string> notes_;
  std::vector<Lease> leases_;
  std::vector<std::string> closed_taps_;  ///< whose rules could not be made again
  std::optional<Resolver> resolver_;
};

}  // namespace agentvm::network
