// guest_links.hpp - the two links to the guest: the sessions spoken on what a LinkTransport connects.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/async/task_group.hpp"
#include "base/link/link.hpp"
#include "launcher/machine/link_transport.hpp"

namespace agentvm::machine {

/// Made before the VMM starts.
class GuestLinks {
 public:
  GuestLinks(boost::asio::any_io_executor executor, std::unique_ptr<LinkTransport> transport)
      : executor_(std::move(executor)), transport_(std::move(transport)) {}

  /// What a service's path ("/mcp/nixos") is answered by; paths not named here get 404, without a session end.
  void serve(std::string path, link::Handler handler) { services_[std::move(path)] = std::move(handler); }

  /// Connects both and keeps the sessions running. `lost` is called once, with the reason, when either ends. Returns
  /// when both are connected.
  boost::asio::awaitable<void> accept(std::function<void(std::string)> lost);

  /// Whether accept() returns only when the guest itself is there.
  bool wait_for_guest() const noexcept { return transport_->waits_for_guest(); }
  const link::SessionPtr& control() const noexcept { return control_; }
  /// Ends both sessions in order, so that accept() may be called again.
  boost::asio::awaitable<void> drop();
  void close() noexcept;
  /// Ends everything at once: when it completes, no session runs and no service's handler.
  boost::asio::awaitable<void> join();

 private:
  boost::asio::awaitable<void> answer(link::StreamPtr stream);

  boost::asio::any_io_executor executor_;
  std::unique_ptr<LinkTransport> transport_;
  std::map<std::string, link::Handler> services_;
  link::SessionPtr control_, services_session_;
  std::optional<TaskGroup> sessions_;  ///< anew with each accept()
};

}  // namespace agentvm::machine
