// mcp_server.hpp - one MCP server process in its sandbox, and the pipes to it.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "base/process.hpp"
#include "launcher/gateway/bounded_log.hpp"
#include "launcher/sandbox/host_proxy.hpp"
#include "launcher/sandbox/mcp_sandbox.hpp"

namespace agentvm::gateway {

/// How a server is started: worked out anew for each, as what was checked for one may be another thing for the next.
struct McpLaunch {
  std::string bubblewrap;  ///< absolute path
  SandboxHost host;
  McpInstall install;
  McpWishes wishes;
  std::optional<host::OwnProxy> proxy;  ///< of the caller
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

  /// How it ended by itself; nullopt while it runs, and when it was told to end or killed.
  const std::optional<ExitStatus>& ended() const noexcept { return ended_; }
  /// The last lines of its stderr, at most 600 bytes, without control characters: empty when it said nothing.
  std::string last_words() const;

  /// The next bytes of its stdout; empty at the end, or after kill(). At the end it is waited for, and for the rest of
  /// its stderr, a moment each.
  boost::asio::awaitable<std::string> read();
  /// False when the server takes no more.
  boost::asio::awaitable<bool> write(std::string bytes);
  void close_stdin() noexcept;
  /// At once, with its group; what waits on it goes on.
  void kill() noexcept;

 private:
  struct Pipes;
  struct Words;
  ChildProcess child_;
  std::optional<ExitStatus> ended_;
  bool told_to_end_ = false;
  std::shared_ptr<Pipes> pipes_;
  std::shared_ptr<Words> words_;
  std::unique_ptr<sandbox::HostProxy> way_out_;
};

}  // namespace agentvm::gateway
