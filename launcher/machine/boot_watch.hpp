// boot_watch.hpp - follows a guest's boot by its console: tells the steps, and gives up when it stands still.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "base/async/clock.hpp"
#include "launcher/machine/boot_console.hpp"
#include "launcher/machine/parts.hpp"

namespace agentvm::machine {

class BootWatch {
 public:
  using Progress = std::function<void(const std::string& step, const std::string& text)>;
  /// A guest that always finds something new to say is waited for this many times the limit.
  static constexpr int patience = 4;

  /// `clock` and `words` outlive it; `words` are what the console said, for others to read too.
  BootWatch(Clock& clock, BootConsole& words, std::unique_ptr<Console> console, Progress progress,
            std::chrono::milliseconds limit);
  BootWatch(const BootWatch&) = delete;
  BootWatch& operator=(const BootWatch&) = delete;

  /// Ends by an Error only: nothing new was said for the limit, or the guest has given up.
  boost::asio::awaitable<void> run();

 private:
  boost::asio::awaitable<void> follow();
  boost::asio::awaitable<void> stand_still();

  Clock& clock_;
  BootConsole& words_;
  std::unique_ptr<Console> console_;
  Progress progress_;
  std::chrono::milliseconds limit_;
  Clock::Time began_, moved_;
};

}  // namespace agentvm::machine
