// link_watch.hpp - hears when links, addresses, neighbours or forwarding change, by whomever.
#pragma once

#include <functional>

#include "network/apply/event_socket.hpp"

namespace agentvm::network {

/// One netlink socket in rtnetlink's groups.
class LinkWatch {
 public:
  /// Throws Error.
  LinkWatch();

  /// Readable when there is something to take.
  int fd() const noexcept { return events_.fd(); }
  /// Takes what is there: whether something changed about a link that `concerns` says yes to (by its index), or
  /// forwarding, or events were lost. Does not block.
  bool changed(const std::function<bool(int index)>& concerns);

 private:
  EventSocket events_;
};

}  // namespace agentvm::network
