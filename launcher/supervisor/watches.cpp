// watches.cpp - what may end a life from outside its steps: signals, the reaper, the machine, an MCP server.
#include <signal.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <optional>

#include "launcher/supervisor/supervisor.hpp"

namespace agentvm::supervisor {

namespace asio = boost::asio;

asio::awaitable<void> Supervisor::watch_signals() {
  asio::signal_set signals(executor_, SIGTERM, SIGINT);
  const auto [error, number] = co_await signals.async_wait(asio::as_tuple(asio::use_awaitable));
  if (!error) end({number == SIGTERM ? "terminated" : "interrupted", {}, 128 + number});
}

asio::awaitable<void> Supervisor::watch_guard() {
  asio::posix::stream_descriptor guard(executor_, guard_fd_);
  // The descriptor stays its owner's, however this ends.
  struct Release {
    asio::posix::stream_descriptor& watch;
    ~Release() { watch.release(); }
  } const release{guard};
  const auto [error] =
      co_await guard.async_wait(asio::posix::stream_descriptor::wait_read, asio::as_tuple(asio::use_awaitable));
  if (!error) {
    end({"the reaper was killed",
         Error("agentvm-reaper was killed; the VM was stopped because nothing would clean up after it"),
         {}});
  }
}

asio::awaitable<void> Supervisor::watch_machine() {
  co_await machine_.ended();
  const machine::Ending& ending = *machine_.ending();
  end({ending.words, ending.failure, {}});
}

asio::awaitable<void> Supervisor::start_mcp_servers() {
  std::optional<Error> failure;
  try {
    auto started = gateways_.start_servers(parts_);
    co_await std::move(started);
  } catch (const Error& error) {
    failure = error;
  }
  if (failure) end({"an MCP server did not start", failure, {}});
}

}  // namespace agentvm::supervisor
