// mcp_server.hpp - one MCP server process in its sandbox, and the pipes to it.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <memory>
#include <string>

#include "base/process.hpp"
#include "launcher/gateway/bounded_log.hpp"
#include "launcher/sandbox/mcp_sandbox.hpp"

namespace agentvm::gateway {

/// How the servers of one gateway are started: worked out once, used for each.
struct McpLaunch {
  std::string bubblewrap;  ///< absolute path
  SandboxHost host;
  McpInstall install;
  std::string uuid;
};

/// Starts a program in the sandbox that does nothing and waits for it. Throws Error with bubblewrap's own words when
/// the sandbox does not stand within 10 s.
boost::asio::awaitable<void> try_sandbox(boost::asio::any_io_executor executor, const McpLaunch& launch);

/// Destroying it kills the server and everything it started: bubblewrap's process is all there is of it outside, and
/// the sandbox's own pid namespace ends with it.
class McpServer {
 public:
  /// Throws Error when bubblewrap cannot be started.
  McpServer(boost::asio::any_io_executor executor, const McpLaunch& launch, std::shared_ptr<BoundedLog> log);
  ~McpServer();
  McpServer(const McpServer&) = delete;
  McpServer& operator=(const McpServer&) = delete;

  pid_t pid() const noexcept;
  bool running();  ///< false once it has ended

  /// The next bytes of its stdout; empty at the end, or after kill().
  boost::asio::awaitable<std::string> read();
  /// False when the server takes no more.
  boost::asio::awaitable<bool> write(std::string bytes);
  void close_stdin() noexcept;
  /// At once, with its group; what waits on it goes on.
  void kill() noexcept;

 private:
  struct Pipes;
  ChildProcess child_;
  std::shared_ptr<Pipes> pipes_;
};

}  // namespace agentvm::gateway
