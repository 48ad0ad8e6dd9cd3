// signals.hpp - the signals a verb with a process in a guest must answer.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/signal_set.hpp>
#include <chrono>
#include <functional>

namespace agentvm::commands {

/// A process in the guest that ignores SIGPIPE writes to nobody; it is not waited for longer.
inline constexpr std::chrono::seconds pipe_grace{1};

/// Catches SIGINT, SIGTERM, SIGHUP, SIGWINCH, SIGCONT and SIGTSTP while it lives.
class SignalWatch {
 public:
  explicit SignalWatch(boost::asio::any_io_executor executor);

  /// Answers them until it is cancelled. Job control (TSTP, CONT) is done here; `handler` gets the rest, and SIGWINCH
  /// after a CONT.
  boost::asio::awaitable<void> run(std::function<void(int)> handler);

 private:
  boost::asio::signal_set signals_;
};

}  // namespace agentvm::commands
