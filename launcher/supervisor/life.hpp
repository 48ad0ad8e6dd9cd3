// life.hpp - the supervisor's state: everything of one VM, and the steps of its life.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/thread_pool.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/async/event.hpp"
#include "base/error.hpp"
#include "base/link/link.hpp"
#include "base/wire/guest.hpp"
#include "launcher/gateway/mcp/mcp_gateway.hpp"
#include "launcher/gateway/model/model_gateway.hpp"
#include "launcher/gateway/ports/port_publisher.hpp"
#include "launcher/hypervisor/hypervisor.hpp"
#include "launcher/machine/guest_links.hpp"
#include "launcher/machine/reaper.hpp"
#include "launcher/machine/share_server.hpp"
#include "launcher/report/report.hpp"
#include "launcher/supervisor/agent_run.hpp"
#include "launcher/supervisor/control_api.hpp"
#include "launcher/supervisor/event_log.hpp"
#include "launcher/supervisor/supervisor.hpp"
#include "launcher/workspace/snapshot.hpp"
#include "network/client/lease_client.hpp"

namespace agentvm::supervisor {

/// One VM from plan to nothing. Members are declared in the order they come up; destruction takes them down in reverse.
class Life {
 public:
  Life(boost::asio::io_context& io, SupervisorOptions options);

  /// The whole life; returns the exit code of the process.
  boost::asio::awaitable<int> live();

 private:
  // The steps of coming up; each throws Error when it cannot be.
  boost::asio::awaitable<void> bring_up();
  void publish_ports();                       // network.cpp
  boost::asio::awaitable<void> take_lease();  // network.cpp
  void start_shares();
  void start_gateways();
  boost::asio::awaitable<void> prestart(gateway::McpGateway& mcp);
  void gateway_event(nlohmann::json event);
  void take_snapshot();
  const HeldDirectory& workspace_directory() const;
  boost::asio::awaitable<void> boot();
  boost::asio::awaitable<void> set_up_guest();
  boost::asio::awaitable<void> start_agent();
  boost::asio::awaitable<void> run_agent();

  // Taking down; none throws.
  boost::asio::awaitable<void> stop_guest();
  boost::asio::awaitable<void> tear_down();
  boost::asio::awaitable<Report> make_report();
  std::string console_tail() const;
  /// The sockets always; the state directory unless the logs of a VM that was to be kept are to stay readable.
  void remove_directories(bool keep_logs) noexcept;

  /// Why the VM must go, said once; wakes whoever waits. `failure`: the run failed in agentvm itself.
  void end(std::string reason, std::optional<Error> failure = {});
  /// Throws when the VM is to end.
  void go_on() const;
  /// Waits until `condition()` or the end of the VM or the deadline (an Error naming `what`).
  boost::asio::awaitable<void> wait_until(std::function<bool()> condition, std::chrono::milliseconds limit,
                                          std::string what);

  // Watches that live beside the steps.
  boost::asio::awaitable<void> watch_signals();
  boost::asio::awaitable<void> watch_vm();
  boost::asio::awaitable<void> lose(std::string what, Error reason);
  boost::asio::awaitable<void> watch_reaper();
  boost::asio::awaitable<void> watch_share(workspace::ShareServer& share);
  boost::asio::awaitable<void> watch_lease(int duplicate);
  /// What the guest is told of its network card; nullopt: it has none.
  std::optional<guest::NetworkSetup> network_setup() const;
  void drop_lease();

  // What callers ask (control_routes.cpp).
  boost::asio::awaitable<void> answer(link::StreamPtr stream);
  boost::asio::awaitable<void> answer_own(link::StreamPtr stream);
  boost::asio::awaitable<void> answer_stop(link::StreamPtr stream);
  boost::asio::awaitable<void> answer_start(link::StreamPtr stream);
  boost::asio::awaitable<void> answer_processes(link::StreamPtr stream);
  nlohmann::json status() const;

  void enter(const std::string& phase);
  void record(const std::string& role, int pid);
  void step(const std::string& name, const std::string& text);
  std::int64_t since_start() const;

  boost::asio::io_context& io_;
  SupervisorOptions options_;
  const vmspec::VmSpec& spec_;
  const state::VmPaths& paths_;
  state::VmState state_;
  EventLog events_, mcp_journal_, model_journal_;
  AsyncEvent changed_;
  ControlApi api_;
  GuestLinks links_;
  Reaper reaper_;
  UniqueFd agent_log_;
  std::optional<network::HeldLease> lease_;
  std::stop_source lease_stop_;  ///< a lease nobody waits for any more
  std::vector<std::shared_ptr<gateway::PortPublisher>> published_;
  std::vector<workspace::ShareServer> shares_;
  std::unique_ptr<gateway::ModelGateway> model_;
  std::vector<std::unique_ptr<gateway::McpGateway>> mcp_;
  boost::asio::thread_pool worker_{1};  // walks the workspace beside the boot
  std::optional<workspace::Snapshot> before_;
  bool snapshot_done_ = false;
  std::unique_ptr<hypervisor::Hypervisor> vm_;
  bool vm_started_ = false;
  std::optional<hypervisor::End> vm_end_;
  std::unique_ptr<AgentRun> agent_;
  std::optional<guest::ReadyReport> ready_report_;
  std::vector<std::string> commands_;

  bool owned_ = false;  ///< /own was asked for
  bool ready_ = false;
  bool agent_start_asked_;
  bool stopping_ = false;
  bool force_ = false;
  bool gone_ = false;
  std::string end_reason_;
  std::optional<Error> failure_;
  int exit_code_ = 0;
  std::int64_t ready_ms_ = 0;
  std::int64_t agent_started_ms_ = 0;
  std::string report_text_;
};

}  // namespace agentvm::supervisor
