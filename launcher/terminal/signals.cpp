// signals.cpp - signals as events of the loop.
#include "launcher/terminal/signals.hpp"

#include <signal.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

#include "launcher/terminal/terminal.hpp"

namespace agentvm::commands {

namespace asio = boost::asio;

SignalWatch::SignalWatch(asio::any_io_executor executor) : signals_(std::move(executor), SIGINT, SIGTERM, SIGHUP) {
  for (const int number : {SIGWINCH, SIGCONT, SIGTSTP}) signals_.add(number);
}

asio::awaitable<void> SignalWatch::run(std::function<void(int)> handler) {
  for (;;) {
    const auto [error, number] = co_await signals_.async_wait(asio::as_tuple(asio::use_awaitable));
    if (error) co_return;
    if (number == SIGTSTP) {
      RawMode::suspend();
    } else if (number == SIGCONT) {
      RawMode::enter_again();
      handler(SIGWINCH);
    } else {
      handler(number);
    }
  }
}

}  // namespace agentvm::commands
