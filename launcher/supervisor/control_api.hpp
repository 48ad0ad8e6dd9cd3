// control_api.hpp - the supervisor's own socket: accepts callers and serves their streams (base/wire/supervisor.hpp).
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <functional>
#include <set>
#include <string>

#include "base/async/task_group.hpp"
#include "base/link/link.hpp"
#include "base/unique_fd.hpp"

namespace agentvm::supervisor {

/// Any number of callers, each a session of its own; all of them are of our own uid (the socket's directory is 0700).
class ControlApi {
 public:
  /// Listens on `path` from now on; `handler` answers every stream once run.
  ControlApi(boost::asio::any_io_executor executor, const std::string& path, link::Handler handler);

  /// Serves a connection that exists already: the caller that started us. `ended` is called when it is over.
  void adopt(UniqueFd connection, std::function<void()> ended = {});
  /// Accepts callers until finish().
  void run();
  /// Takes no new callers, lets the handlers that are answering end and their answers be sent, as long as the callers
  /// take them; completes when no session is left.
  boost::asio::awaitable<void> finish();

 private:
  boost::asio::awaitable<void> accept();
  boost::asio::awaitable<void> serve(link::SessionPtr session, std::function<void()> ended);

  boost::asio::any_io_executor executor_;
  UniqueFd listener_;
  link::Handler handler_;
  std::set<link::SessionPtr> sessions_;
  TaskGroup accepting_, serving_;
};

}  // namespace agentvm::supervisor
