// client.hpp - a caller's side of a supervisor's control API (base/wire/supervisor.hpp).
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <optional>
#include <string>

#include "base/async/event.hpp"
#include "base/async/task_group.hpp"
#include "base/link/link.hpp"
#include "base/unique_fd.hpp"
#include "launcher/state/vm_directory.hpp"

namespace agentvm::commands {

/// A connection with the event loop that serves it. One thread.
class Client {
 public:
  /// Speaks on a connection that is there already.
  explicit Client(UniqueFd connection);
  /// Throws Error when the VM's supervisor does not listen.
  static UniqueFd connect(const state::VmPaths& paths);
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  boost::asio::any_io_executor executor() { return io_.get_executor(); }
  link::Session& session() noexcept { return *session_; }
  const link::SessionPtr& session_ptr() noexcept { return session_; }
  /// Set when the connection is over: "" for an orderly end, else the reason.
  const std::optional<std::string>& over() const noexcept { return over_; }
  /// Completes when the connection is over.
  boost::asio::awaitable<void> wait_over();

  /// Starts a task beside run()'s. It has been cancelled and has ended when run() returns; what goes wrong in it is
  /// only logged.
  void spawn(boost::asio::awaitable<void> task) { tasks_.spawn(std::move(task)); }
  /// The tasks beside run(), for who starts his own.
  TaskGroup& tasks() noexcept { return tasks_; }
  /// Serves until the coroutine is done; its exception is rethrown. At most once per client.
  void run(boost::asio::awaitable<void> main);
  /// Sends a request and waits for its answer; nullopt when the time is up first. At most once per client.
  std::optional<link::Answer> ask(const std::string& method, const std::string& path, const std::string& body,
                                  std::chrono::milliseconds limit);

 private:
  boost::asio::awaitable<void> serve_session();
  boost::asio::awaitable<bool> then_join(boost::asio::awaitable<void> main);

  boost::asio::io_context io_{1};
  link::SessionPtr session_;
  std::optional<std::string> over_;
  AsyncEvent ended_;
  TaskGroup tasks_;
};

/// One request on a connection of its own. Throws Error when nobody listens, the answer does not come in time (naming
/// the VM), or its status is not 200.
std::string ask_supervisor(const state::VmPaths& paths, const std::string& method, const std::string& path,
                           const std::string& body, std::chrono::milliseconds limit);

}  // namespace agentvm::commands
