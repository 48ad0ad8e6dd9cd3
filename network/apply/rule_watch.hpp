// rule_watch.hpp - hears when a table of nftables is deleted, by whomever.
#pragma once

#include "base/unique_fd.hpp"

namespace agentvm::network {

/// One netlink socket in the group of nftables' events. Needs CAP_NET_ADMIN.
class RuleWatch {
 public:
  /// Throws Error.
  RuleWatch();

  /// Readable when there is something to take.
  int fd() const noexcept { return socket_.get(); }
  /// Takes what is there: whether a table went, or events were lost. Does not block.
  bool table_deleted() noexcept;

 private:
  UniqueFd socket_;
};

}  // namespace agentvm::network
