// mcp_gateway.hpp - an MCP server of the host for the guest: one sandboxed process a connection, every call checked.
//
// A stream carries MCP's stdio framing, one JSON-RPC message a line. Lines of the guest are read and passed or refused
// (mcp_filter.hpp); lines of the server pass as they are and are only read along, to pair each call with its answer.
// When the guest ends its side, outstanding answers are waited for before the server's stdin is closed: servers drop
// what they are working on at end of file.
#pragma once

#include <sys/types.h>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "base/link/link.hpp"
#include "launcher/gateway/event.hpp"
#include "launcher/sandbox/guest_places.hpp"
#include "vmspec/plan/vm_spec.hpp"

namespace agentvm::gateway {

/// What the servers of one VM are put into.
struct McpSandbox {
  std::string bubblewrap;       ///< absolute path; "" fails closed
  std::string uuid;             ///< of the VM: marks the processes
  std::string log;              ///< the servers' stderr goes there, up to 1 MiB in all
  sandbox::GuestPlaces places;  ///< no server may live in or above them: what a guest writes must not run here
};

struct McpLimits {
  std::size_t request_line_bytes = std::size_t{1} << 20;
  std::size_t reply_line_bytes = std::size_t{16} << 20;
  std::size_t connections = 8;
  std::size_t outstanding = 256;                 ///< requests without an answer, a connection
  std::chrono::milliseconds drain_time{30'000};  ///< for outstanding answers after the guest's end
  std::chrono::milliseconds exit_time{5'000};    ///< from the end of its stdin to the server's own exit
};

class McpGateway {
 public:
  McpGateway(boost::asio::any_io_executor executor, vmspec::McpSpec server, McpSandbox sandbox, EventSink events,
             McpLimits limits = {});
  ~McpGateway();  ///< kills every server
  McpGateway(const McpGateway&) = delete;
  McpGateway& operator=(const McpGateway&) = delete;

  const std::string& name() const noexcept;

  /// Tries the sandbox with a program that does nothing (milliseconds), then starts the server the first connection
  /// will get. Throws Error when bubblewrap is missing, cannot make its namespaces, or the server is not there.
  boost::asio::awaitable<void> prestart();

  /// Serves one connection until either side ends it, then kills its server with all it started. Events: mcp-call, and
  /// mcp-ended (server, code, words) for a server that ended by itself before the guest did. Throws Error before the
  /// first byte when no server can be started or too many connections are open.
  boost::asio::awaitable<void> serve(link::StreamPtr stream);

  /// The servers running now (bubblewrap's process of each; what is inside dies with it).
  std::vector<pid_t> processes() const;

 private:
  struct State;
  std::shared_ptr<State> state_;  // shared with the connections being served, which may outlive the gateway
};

}  // namespace agentvm::gateway
