// control_api.hpp - the supervisor's own socket: accepts callers and routes their streams (api.hpp).
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <functional>
#include <set>
#include <string>

#include "base/async/event.hpp"
#include "base/link/link.hpp"
#include "base/unique_fd.hpp"

namespace agentvm::supervisor {

/// Any number of callers, each a session of its own; all of them are of our own uid (the socket's directory is 0700).
class ControlApi {
 public:
  /// Listens on `path`; `handler` answers every stream.
  ControlApi(boost::asio::any_io_executor executor, const std::string& path, link::Handler handler);

  /// Serves a connection that exists already: the caller that started us. `ended` is called when it is over.
  void adopt(UniqueFd connection, std::function<void()> ended = {});
  /// Accepts until close().
  boost::asio::awaitable<void> run();
  /// Ends every session once what is written has been flushed.
  void close() noexcept;
  /// Completes when no session is left (after close()).
  boost::asio::awaitable<void> drained();

 private:
  boost::asio::awaitable<void> serve(link::SessionPtr session, std::function<void()> ended);

  boost::asio::any_io_executor executor_;
  UniqueFd listener_;
  link::Handler handler_;
  std::set<link::SessionPtr> sessions_;
  AsyncEvent changed_;
  bool closing_ = false;
};

}  // namespace agentvm::supervisor
