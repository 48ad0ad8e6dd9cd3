// keeper_session.hpp - the caller's end of the connection to a keeper: requests and their answers, and the VM's end.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "base/async/event.hpp"
#include "launcher/claim/line_socket.hpp"
#include "launcher/claim/messages.hpp"

namespace agentvm::pool {

/// Requests are made one after the other, whoever makes them. run() reads, and is one coroutine of whoever owns it.
class KeeperSession {
 public:
  KeeperSession(boost::asio::any_io_executor executor, UniqueFd connection);

  /// Reads until the keeper has gone. Never throws but when cancelled.
  boost::asio::awaitable<void> run();
  /// Throws Error with the keeper's sentence, or when the VM ends first. With the answer's descriptors.
  boost::asio::awaitable<std::vector<UniqueFd>> ask(std::string name, nlohmann::json body);
  /// Completes when the VM is no more.
  boost::asio::awaitable<Ended> ended();
  /// The VM goes. Idempotent.
  void let_go() noexcept { socket_.shut_down(); }

 private:
  void finish(Ended how);

  LineSocket socket_;
  AsyncEvent changed_;
  bool asking_ = false;
  std::optional<Message> answer_;
  std::optional<Ended> ended_;
};

}  // namespace agentvm::pool
