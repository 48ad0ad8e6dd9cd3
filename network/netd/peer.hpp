// peer.hpp - who is at the other end of a unix socket, and whether it may take leases.
#pragma once

#include <sys/types.h>

#include <optional>
#include <vector>

namespace agentvm::network {

/// As the kernel recorded it when the peer connected (unix(7), SO_PEERCRED and SO_PEERGROUPS).
struct Peer {
  pid_t pid = 0;
  uid_t uid = 0;
  std::vector<gid_t> groups;  ///< the primary one too
};

/// Throws Error when the kernel does not say.
Peer peer_of(int socket);

/// Root, and members of the group; nullopt: there is no such group.
bool may_lease(const Peer& peer, std::optional<gid_t> group) noexcept;

/// The id of the group agentvm; nullopt: there is none.
std::optional<gid_t> lease_group();

}  // namespace agentvm::network
