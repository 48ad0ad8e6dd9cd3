// resolver.hpp - dnsmasq as the guests' resolver: DNS at one address, no DHCP, no privileges but the port.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "base/process.hpp"
#include "network/plan/address.hpp"

namespace agentvm::network {

/// The program's path: `dnsmasq` itself when it holds a slash, else where system programs are; nullopt: not there.
std::optional<std::string> find_resolver(const std::string& dnsmasq);

/// Kills processes that answered over TCP for a dnsmasq that is dead: they are its children, and hold port 53. Returns
/// how many. Processes of other users are seen where /proc shows them.
int kill_orphaned_resolvers() noexcept;

/// A running dnsmasq. It asks the host's own resolvers (/etc/resolv.conf), and dies with the thread that started it.
class Resolver {
 public:
  /// Starts it and returns when it answers. Throws Error with dnsmasq's own words, or says how to get dnsmasq.
  /// As root it runs as the user dnsmasq or nobody, with CAP_NET_BIND_SERVICE and nothing else.
  Resolver(const std::string& dnsmasq, Ipv4 address);

  bool ended() { return process_.wait(std::chrono::milliseconds(0)).has_value(); }
  int pidfd() const noexcept { return process_.pidfd(); }  ///< readable when it has ended
  int output() const noexcept { return output_.get(); }    ///< what it says; readable, non-blocking
  std::string read_output();                               ///< empty: nothing now, or the end
  bool output_ended() const noexcept { return output_ended_; }

 private:
  UniqueFd output_;
  bool output_ended_ = false;
  ChildProcess process_;
};

}  // namespace agentvm::network
