// link_transport.hpp - how a VMM brings the guest's two byte streams to us: one seam, one class a way.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <memory>
#include <string>

#include "base/unique_fd.hpp"

namespace agentvm::machine {

/// Connected byte streams; whoever holds them speaks.
struct LinkStreams {
  UniqueFd control, services;
};

/// Listens from its construction, before the VMM starts, so that there is nothing to retry: connections are the events.
class LinkTransport {
 public:
  virtual ~LinkTransport() = default;
  /// Both streams, once; nobody else may come in their place afterwards. Throws Error.
  virtual boost::asio::awaitable<LinkStreams> connect() = 0;
  /// Whether the streams come only when the guest itself is there, not already with the VMM.
  virtual bool waits_for_guest() const noexcept = 0;
};

/// QEMU's virtio-serial ports: the VMM connects to two sockets of ours as soon as it starts.
std::unique_ptr<LinkTransport> serial_transport(boost::asio::any_io_executor executor, const std::string& control_path,
                                                const std::string& services_path);

/// cloud-hypervisor's vsock behind a unix socket (docs/vsock.md of its source): the guest's connection to the service
/// port arrives at `vsock_path`_PORT, and says that it listens on the control port; that one we reach by connecting to
/// `vsock_path`, writing "CONNECT PORT\n" and reading "OK NUMBER\n".
std::unique_ptr<LinkTransport> vsock_transport(boost::asio::any_io_executor executor, const std::string& vsock_path);

}  // namespace agentvm::machine
