// signals.hpp - the signals a verb with a process in a guest must answer.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <functional>
#include <memory>

namespace agentvm::commands {

/// A process in the guest that ignores SIGPIPE writes to nobody; it is not waited for longer.
inline constexpr std::chrono::seconds pipe_grace{1};

/// Catches SIGINT, SIGTERM, SIGHUP, SIGWINCH, SIGCONT and SIGTSTP while it lives. Job control (TSTP, CONT) is done
/// here; `handler` gets the rest, and SIGWINCH after a CONT.
class SignalWatch {
 public:
  SignalWatch(boost::asio::io_context& io, std::function<void(int)> handler);
  SignalWatch(const SignalWatch&) = delete;
  SignalWatch& operator=(const SignalWatch&) = delete;
  ~SignalWatch();

 private:
  struct Shared;
  std::shared_ptr<Shared> shared_;
};

}  // namespace agentvm::commands
