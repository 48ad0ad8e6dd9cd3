// port_publisher.hpp - offers a port of the guest on an address of the host, over the control link: no hole in any
// firewall, and it works without a network card.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/async/task_group.hpp"
#include "base/link/link.hpp"
#include "base/unique_fd.hpp"

namespace agentvm::gateway {

/// Listens from its making on, so that a port in use is known before the VM boots; serves once run.
class PortPublisher {
 public:
  /// `address`: IPv4, or IPv6 without brackets. Port 0 takes a free one. Throws Error naming the address and the port.
  PortPublisher(const std::string& address, std::uint16_t port, std::uint16_t guest_port);

  std::uint16_t port() const noexcept { return port_; }

  /// Serves until it is closed or cancelled; then its connections end with it. A connection that comes while
  /// `control()` gives no session that is open, or that the guest refuses, is closed.
  static boost::asio::awaitable<void> serve(std::shared_ptr<PortPublisher> self,
                                            std::function<link::SessionPtr()> control);
  /// Listens no longer.
  void close() noexcept;

 private:
  static boost::asio::awaitable<void> accept(std::shared_ptr<PortPublisher> self,
                                             std::function<link::SessionPtr()> control, TaskGroup& connections);
  static boost::asio::awaitable<void> connection(std::shared_ptr<PortPublisher> self, link::SessionPtr control,
                                                 UniqueFd fd);
  UniqueFd listener_;
  std::uint16_t port_ = 0;
  std::uint16_t guest_port_ = 0;
};

}  // namespace agentvm::gateway
