// gateways.hpp - what one guest may reach through its service link: the model and the MCP servers of its plan.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "launcher/gateway/mcp/mcp_gateway.hpp"
#include "launcher/gateway/model/model_gateway.hpp"
#include "launcher/machine/machine.hpp"
#include "launcher/state/vm_directory.hpp"
#include "launcher/supervisor/event_log.hpp"
#include "vmspec/plan/vm_spec.hpp"

namespace agentvm::supervisor {

/// Outlives the machine's links: a handler of theirs may be in here until Machine::take_down() has completed.
class Gateways {
 public:
  Gateways(boost::asio::any_io_executor executor, const vmspec::VmSpec& spec, const state::VmPaths& paths,
           EventLog& events);

  /// Registers every service with the machine. Throws Error: there is no key, or the upstream is refused.
  void offer(machine::Machine& machine);
  /// Starts the MCP servers beside the boot, so that the guest's first request finds them. `watch` is told of each
  /// process. Throws Error naming the server.
  boost::asio::awaitable<void> start_servers(machine::Parts& parts);
  /// Ends every server; only after the machine's links are gone.
  void close() noexcept;

  /// Shell commands that the agent's model asked for, at most 1000.
  const std::vector<std::string>& commands() const noexcept { return commands_; }

 private:
  void take_event(nlohmann::json event);

  boost::asio::any_io_executor executor_;
  const vmspec::VmSpec& spec_;
  const state::VmPaths& paths_;
  EventLog& events_;
  Journal mcp_journal_, model_journal_;
  std::unique_ptr<gateway::ModelGateway> model_;
  std::vector<std::unique_ptr<gateway::McpGateway>> mcp_;
  std::vector<std::string> commands_;
};

}  // namespace agentvm::supervisor
