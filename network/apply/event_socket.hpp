// event_socket.hpp - a netlink socket that hears what the kernel tells everybody about.
#pragma once

#include <linux/netlink.h>

#include <functional>
#include <initializer_list>

#include "base/unique_fd.hpp"

namespace agentvm::network {

/// Non-blocking, in some multicast groups of one netlink protocol (netlink(7)).
class EventSocket {
 public:
  /// `what` is heard, for the Error that is thrown otherwise: "the host's links".
  EventSocket(int protocol, std::initializer_list<int> groups, const char* what);

  /// Readable when there is something to take.
  int fd() const noexcept { return socket_.get(); }
  /// Passes on what is there; true: some messages were lost. Does not block.
  bool take(const std::function<void(const nlmsghdr& message)>& message_came);

 private:
  UniqueFd socket_;
};

}  // namespace agentvm::network
