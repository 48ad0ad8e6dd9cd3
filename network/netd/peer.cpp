// peer.cpp - credentials of a socket's peer.
#include "network/netd/peer.hpp"

#include <grp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "base/error.hpp"
#include "network/plan/protocol.hpp"

namespace agentvm::network {

namespace {
/// NGROUPS_MAX of Linux.
constexpr std::size_t most_groups = 65536;
}  // namespace

Peer peer_of(int socket) {
  ucred credentials{};
  socklen_t size = sizeof credentials;
  if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size) < 0) {
    throw system_error(errno, "asking who has connected");
  }
  Peer peer{credentials.pid, credentials.uid, {credentials.gid}};
  std::vector<gid_t> groups(32);
  for (;;) {
    size = static_cast<socklen_t>(groups.size() * sizeof(gid_t));
    if (getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &size) == 0) break;
    // ENODATA: no groups, as on a socket pair. ERANGE: more than fit.
    if (errno == ENODATA) size = 0;
    if (errno != ERANGE || groups.size() >= most_groups) {
      size = 0;
      break;
    }
    groups.resize(groups.size() * 2);
  }
  groups.resize(size / sizeof(gid_t));
  peer.groups.insert(peer.groups.end(), groups.begin(), groups.end());
  return peer;
}

bool may_lease(const Peer& peer, std::optional<gid_t> group) noexcept {
  if (peer.uid == 0) return true;
  return group && std::find(peer.groups.begin(), peer.groups.end(), *group) != peer.groups.end();
}

std::optional<gid_t> lease_group() {
  const struct group* entry = getgrnam(group_name);
  return entry == nullptr ? std::nullopt : std::optional(entry->gr_gid);
}

}  // namespace agentvm::network
