// port_publisher.hpp - offers a port of the guest on an address of the host, over the control link: no hole in any
// firewall, and it works without a network card.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/link/link.hpp"
#include "base/unique_fd.hpp"

namespace agentvm::gateway {

/// Listens from its making on, so that a port in use is known before the VM boots; serves once run.
class PortPublisher {
 public:
  /// `address`: IPv4, or IPv6 without brackets. Port 0 takes a free one. Throws Error naming the address and the port.
  PortPublisher(const std::string& address, std::uint16_t port, std::uint16_t guest_port);

  std::uint16_t port() const noexcept { return port_; }

  /// Serves until its executor stops, or `control()` gives no session that is open. A connection the guest refuses is
  /// closed.
  static boost::asio::awaitable<void> serve(std::shared_ptr<PortPublisher> self,
                                            std::function<link::SessionPtr()> control);
  /// Listens no longer; connections that are there go on as long as the link does.
  void close() noexcept;

 private:
  static boost::asio::awaitable<void> connection(std::shared_ptr<PortPublisher> self, link::SessionPtr control,
                                                 UniqueFd fd);
  UniqueFd listener_;
  std::uint16_t port_ = 0;
  std::uint16_t guest_port_ = 0;
  std::size_t connections_ = 0;
};

}  // namespace agentvm::gateway
