// rule_watch.hpp - hears when a table of nftables is deleted, by whomever.
#pragma once

#include "network/apply/event_socket.hpp"

namespace agentvm::network {

/// One netlink socket in the group of nftables' events. Needs CAP_NET_ADMIN.
class RuleWatch {
 public:
  /// Throws Error.
  RuleWatch();

  /// Readable when there is something to take.
  int fd() const noexcept { return events_.fd(); }
  /// Takes what is there: whether a table went, or events were lost. Does not block.
  bool table_deleted();

 private:
  EventSocket events_;
};

}  // namespace agentvm::network
