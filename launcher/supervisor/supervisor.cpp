// supervisor.cpp - runs one Life on one thread.
#include "launcher/supervisor/supervisor.hpp"

#include <spdlog/spdlog.h>

#include <boost/asio/co_spawn.hpp>
#include <cstdlib>

#include "launcher/supervisor/life.hpp"

namespace agentvm::supervisor {

void supervise(SupervisorOptions options) {
  // Neither is ever destroyed: coroutines that still wait for a caller refer to both, and what lives outside this
  // process has been ended by the Life itself. The process is their scope.
  auto& io = *new boost::asio::io_context(1);
  auto& life = *new Life(io, std::move(options));
  int code = static_cast<int>(ExitCode::agentvm_failed);
  boost::asio::co_spawn(io, life.live(), [&](const std::exception_ptr& error, int value) {
    code = value;
    io.stop();
    if (error) std::rethrow_exception(error);
  });
  io.run();
  spdlog::shutdown();
  std::_Exit(code);
}

}  // namespace agentvm::supervisor
