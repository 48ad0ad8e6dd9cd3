// services.hpp - offers the host's services inside the guest: a unix socket for named ones, a TCP port for the model.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <chrono>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "base/async/event.hpp"
#include "base/async/task_group.hpp"
#include "base/link/link.hpp"
#include "base/unique_fd.hpp"

namespace agentvm::guest {

/// Connections at once, of both kinds together.
inline constexpr std::size_t max_service_connections = 64;
/// How long a connection may take to say which service it wants.
inline constexpr std::chrono::seconds service_name_deadline{5};

/// Joins connections of the guest's programs to streams of the service link. Bytes pass untouched; half-close passes
/// both ways; a slow reader slows its writer. A connection ends with its link; one that comes while there is none waits
/// for the next.
///
/// Lives as long as its executor runs.
class Services {
 public:
  explicit Services(boost::asio::any_io_executor executor, link::SessionPtr link = {})
      : executor_(executor), link_(std::move(link)), linked_(executor), listening_(executor), connections_(executor) {}

  /// The link of the connections from now on.
  void set_link(link::SessionPtr link);

  /// Replaces the names that may be asked for; the host checks again.
  void allow(const std::vector<std::string>& names) { allowed_ = {names.begin(), names.end()}; }
  /// Listens on a unix socket that everybody in the guest may use (0666). Throws Error.
  void serve_socket(const std::string& path);
  /// Listens on 127.0.0.1:PORT; a second call with the same port does nothing. Throws Error.
  void serve_model(std::uint16_t port);

 private:
  using Descriptor = boost::asio::posix::stream_descriptor;
  using Connection = boost::asio::awaitable<void> (Services::*)(UniqueFd);
  boost::asio::awaitable<void> accept_loop(UniqueFd listener, Connection connection);
  boost::asio::awaitable<link::StreamPtr> open(std::string path);
  boost::asio::awaitable<void> named_connection(UniqueFd fd);
  boost::asio::awaitable<void> model_connection(UniqueFd fd);

  boost::asio::any_io_executor executor_;
  link::SessionPtr link_;
  AsyncEvent linked_;
  std::set<std::string, std::less<>> allowed_;
  std::set<std::uint16_t> ports_;
  TaskGroup listening_;
  TaskGroup connections_;  ///< one that fails is closed, which its program sees; nobody else is concerned
};

}  // namespace agentvm::guest
