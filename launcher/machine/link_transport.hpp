// link_transport.hpp - how a VMM brings the guest's two byte streams to us: one seam, one class a way.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <memory>
#include <string>

#include "base/unique_fd.hpp"

namespace agentvm::machine {

/// Connected byte streams; whoever holds them speaks.
struct LinkStreams {
  UniqueFd control, services;
  bool shared = false;  ///< a stream may carry what was said before: begin_link() comes first
};

/// Listens from its construction, before the VMM starts, so that there is nothing to retry: connections are the events.
class LinkTransport {
 public:
  virtual ~LinkTransport() = default;
  /// Both streams; nobody else may come in their place afterwards. Again only after drop(). Throws Error.
  virtual boost::asio::awaitable<LinkStreams> connect() = 0;
  /// The streams were closed by who held them, and connect() will be called again: for the same VMM, or for another one
  /// that is started in between with the same sockets. Throws Error.
  virtual void drop() {}
  /// There will be no other streams: what was kept for them is given up.
  virtual void close() noexcept {}
  /// Whether the streams come only when the guest itself is there, not already with the VMM.
  virtual bool waits_for_guest() const noexcept = 0;
};

/// QEMU's virtio-serial ports: the VMM connects to two sockets of ours as soon as it starts. Those connections are kept
/// over a drop, and used again while the VMM lives: QEMU would connect anew only a second after it was cut off
/// (reconnect= counts in whole seconds), and with 'bind' in place of 'connect' there would be no event to start from.
std::unique_ptr<LinkTransport> serial_transport(const std::string& control_path, const std::string& services_path);

/// cloud-hypervisor's vsock behind a unix socket (docs/vsock.md of its source): the guest's connection to the service
/// port arrives at `vsock_path`_PORT, and says that it listens on the control port; that one we reach by connecting to
/// `vsock_path`, writing "CONNECT PORT\n" and reading "OK NUMBER\n". After a drop we ask for the control port first,
/// which the guest still listens on, and its service connection follows. Outside of connect() nobody listens: a guest
/// that connects unasked is refused.
std::unique_ptr<LinkTransport> vsock_transport(const std::string& vsock_path);

/// The same stream by another descriptor, CLOEXEC. Throws Error.
UniqueFd duplicate_stream(const UniqueFd& stream);

/// Begins a link on a shared stream (base/wire/link_opening.hpp): returns when the guest has answered, and everything
/// that was under way before is thrown away. Waits as long as it takes. Throws Error when the stream ends, or when the
/// guest says too much else.
boost::asio::awaitable<void> begin_link(UniqueFd stream);

}  // namespace agentvm::machine
