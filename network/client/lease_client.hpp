// lease_client.hpp - how a supervisor gets a tap from agentvm-netd, and keeps it.
#pragma once

#include <optional>
#include <stop_token>
#include <string>

#include "base/error.hpp"
#include "base/unique_fd.hpp"
#include "network/plan/protocol.hpp"

namespace agentvm::network {

/// Where netd is.
struct NetdAccess {
  std::string directory = "/run/agentvm-netd";  ///< with netd.sock; the variable AGENTVM_NETD_DIR sets another
  /// Absolute path of agentvm-netd. As root, when nobody listens, it is started and ends with its last lease. "":
  /// never.
  std::string program = {};

  std::string socket() const { return directory + "/netd.sock"; }
};
/// From the environment.
NetdAccess netd_access(std::string program);

/// A lease, held as long as this lives.
struct HeldLease {
  LeaseInfo info;
  UniqueFd connection;  ///< readable: the lease is lost, and the tap with it
};

/// Blocks up to 20 s, or until `stop` is asked for from another thread. Throws Error: netd's own refusal, or that there
/// is no netd and what to do about it.
HeldLease take_lease(const NetdAccess& access, const std::string& vm, bool multi_queue,
                     const std::stop_token& stop = {});

/// What there is now. As root without netd: nothing. Throws Error like take_lease.
NetworkInfo network_info(const NetdAccess& access);

/// Whether one listens, and takes our connection.
bool netd_listens(const NetdAccess& access);

/// Why the caller would get no lease, as an Error to throw or to show; nullopt: it would.
std::optional<Error> lease_obstacle(const NetdAccess& access);

/// As root, after a netd was killed: takes away what it left. Does nothing while one runs, or where none ever has.
void clean_after_netd(const NetdAccess& access);

}  // namespace agentvm::network
