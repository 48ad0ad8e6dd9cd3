// server.hpp - agentvm-netd's loop: callers come, ask, and hold their leases by staying.
#pragma once

#include <chrono>
#include <list>
#include <optional>
#include <string>
#include <vector>

#include "base/unique_fd.hpp"
#include "network/apply/host_network.hpp"
#include "network/apply/link_watch.hpp"
#include "network/apply/rule_watch.hpp"
#include "network/netd/peer.hpp"

namespace agentvm::network {

struct ServerOptions {
  UniqueFd listener;                      ///< a listening unix stream socket, non-blocking
  UniqueFd first_caller = UniqueFd();     ///< a connection that is there already; may be none
  std::optional<gid_t> group = {};        ///< whose members may take leases besides root
  std::size_t leases_per_user = 64;       ///< root has no limit
  bool until_idle = false;                ///< ends with its last caller
  std::chrono::seconds request_limit{5};  ///< a caller that has not asked by then is sent away
};

/// Serves on one thread. What callers send is taken as hostile.
class Server {
 public:
  Server(ServerOptions options, HostNetwork& network);

  /// Until SIGTERM or SIGINT, which must be blocked, or until idle. Takes no lease away: close the network afterwards.
  void serve();

 private:
  struct Caller {
    UniqueFd socket;
    Peer peer;
    std::string input = {};
    std::optional<Lease> lease = {};
    std::chrono::steady_clock::time_point deadline = {};
  };
  using Callers = std::list<Caller>;

  void accept_callers();
  void add(UniqueFd socket);
  /// Whether the caller stays.
  bool read_from(Caller& caller);
  bool answer(Caller& caller, std::string_view line);
  std::string grant(Caller& caller, const Request& request);
  std::string shown();
  void dismiss(Callers::iterator caller);
  void watch_resolver();
  void repair();
  int milliseconds_to_deadline() const;

  ServerOptions options_;
  HostNetwork& network_;
  UniqueFd signals_;
  RuleWatch rule_watch_;
  LinkWatch link_watch_;
  bool repair_wanted_ = false;
  std::chrono::steady_clock::time_point no_repair_before_ = {};
  std::chrono::steady_clock::time_point deaf_until_ = {};  ///< out of descriptors: no new callers before
  Callers callers_;
  std::string resolver_text_;
  std::chrono::steady_clock::time_point resolver_started_ = {};
};

}  // namespace agentvm::network
