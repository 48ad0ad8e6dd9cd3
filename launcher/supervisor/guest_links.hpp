// guest_links.hpp - the two links to the guest: sockets the VMM connects to, and the sessions spoken on them.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "base/async_event.hpp"
#include "base/link.hpp"
#include "base/unique_fd.hpp"

namespace agentvm::supervisor {

/// Listens before the VMM starts, so that there is nothing to wait or to retry for: the VMM's connect is the event.
class GuestLinks {
 public:
  GuestLinks(boost::asio::any_io_executor executor, std::string control_path, std::string services_path);

  /// What a service's path ("/mcp/nixos") is answered by; paths not named here get 404, without a session end.
  void serve(std::string path, link::Handler handler) { services_[std::move(path)] = std::move(handler); }

  /// Takes the VMM's two connections and keeps the sessions running. `lost` is called once, with the reason, when
  /// either ends. Returns when both are connected.
  boost::asio::awaitable<void> accept(std::function<void(std::string)> lost);

  const link::SessionPtr& control() const noexcept { return control_; }
  void close() noexcept;

 private:
  boost::asio::awaitable<UniqueFd> accept_one(int listener);
  boost::asio::awaitable<void> answer(link::StreamPtr stream);

  boost::asio::any_io_executor executor_;
  UniqueFd control_listener_, services_listener_;
  std::map<std::string, link::Handler> services_;
  link::SessionPtr control_, services_session_;
};

}  // namespace agentvm::supervisor
