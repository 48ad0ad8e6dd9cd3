// host_link.hpp - one control link as what runs in the guest sees it: standing, or lost with all its streams.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <memory>

#include "base/async/event.hpp"
#include "base/link/link.hpp"

namespace agentvm::guest {

/// Tells a stream that the host reset from one that went with its link. Once lost it stays so: the next link has an
/// object of its own.
class HostLink {
 public:
  explicit HostLink(const boost::asio::any_io_executor& executor) : answered_(executor) {}

  /// The session, once it exists; until then the link counts as standing.
  void set(const link::SessionPtr& session) {
    session_ = session;
    known_ = true;
  }
  /// The host has said that it drops the link: what breaks from now on breaks by that.
  void begin_drop() noexcept { dropping_ = true; }
  bool dropping() const noexcept { return dropping_; }
  bool lost() const noexcept;

  /// Returns true when the host's session has received everything sent so far, false when the link is lost. Any number
  /// may wait: one PING at a time serves all who came before it, for a peer bounds the PINGs it has not answered.
  boost::asio::awaitable<bool> delivered();

 private:
  std::weak_ptr<link::Session> session_;
  bool known_ = false;
  bool dropping_ = false;
  AsyncEvent answered_;
  std::uint64_t asked_ = 0;
  std::uint64_t confirmed_ = 0;
  bool pinging_ = false;
};

}  // namespace agentvm::guest
