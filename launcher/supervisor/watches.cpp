// watches.cpp - what may end a life from outside its steps: signals, the reaper, the machine, an MCP server.
#include <signal.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <optional>

#include "base/async/readable.hpp"
#include "launcher/supervisor/supervisor.hpp"

namespace agentvm::supervisor {

namespace asio = boost::asio;

asio::awaitable<void> Supervisor::watch_signals() {
  asio::signal_set signals(executor_, SIGTERM, SIGINT);
  const auto [error, number] = co_await signals.async_wait(asio::as_tuple(asio::use_awaitable));
  if (!error) end({number == SIGTERM ? "terminated" : "interrupted", {}, 128 + number});
}

asio::awaitable<void> Supervisor::watch_guard() {
  const auto error = co_await readable(guard_fd_);
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
  if (failure) end({"a gateway did not start", failure, {}});
}

}  // namespace agentvm::supervisor
