// signals.cpp - signals as events of the loop.
#include "launcher/terminal/signals.hpp"

#include <signal.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/async/event.hpp"
#include "launcher/terminal/terminal.hpp"

namespace agentvm::commands {

namespace asio = boost::asio;

struct SignalWatch::Shared {
  Shared(asio::io_context& io, std::function<void(int)> handler_in)
      : signals(io, SIGINT, SIGTERM, SIGHUP), handler(std::move(handler_in)) {
    for (const int number : {SIGWINCH, SIGCONT, SIGTSTP}) signals.add(number);
  }

  asio::signal_set signals;
  std::function<void(int)> handler;
  bool over = false;
};

SignalWatch::SignalWatch(asio::io_context& io, std::function<void(int)> handler)
    : shared_(std::make_shared<Shared>(io, std::move(handler))) {
  asio::co_spawn(
      io,
      [](std::shared_ptr<Shared> shared) -> asio::awaitable<void> {
        while (!shared->over) {
          const auto [error, number] = co_await shared->signals.async_wait(asio::as_tuple(asio::use_awaitable));
          if (error || shared->over) co_return;
          if (number == SIGTSTP) {
            RawMode::suspend();
          } else if (number == SIGCONT) {
            RawMode::enter_again();
            shared->handler(SIGWINCH);
          } else {
            shared->handler(number);
          }
        }
      }(shared_),
      asio::detached);
}

SignalWatch::~SignalWatch() {
  shared_->over = true;
  boost::system::error_code ignored;
  shared_->signals.clear(ignored);
  shared_->signals.cancel(ignored);
}

}  // namespace agentvm::commands
