// supervisor.hpp - one process per VM: a Run on a Machine, its callers, and the order of coming up and going down.
//
// What can happen (rows) in each phase of its life (columns), as `status` and state.json name them:
//
//                       starting, booting        ready                   running               ended (--keep)
//   caller: /agent/start  noted                  the agent starts        409                   409
//   caller: /stop         -> stopping            -> stopping             -> stopping           -> stopping
//   owner leaves [1]      -> stopping            -> stopping             -> stopping           -> stopping
//   SIGTERM, SIGINT       -> stopping            -> stopping             -> stopping           -> stopping
//   the VM ends           failed                 failed                  failed                failed
//   a link, share, lease
//     or the reaper lost  failed                 failed                  failed                failed
//   no MCP server         failed                 failed                  failed                failed
//   the step takes long   failed (--boot-timeout) failed (60 s)          124 after TERM, KILL  -
//   the agent ends        -                      -                       -> ended, or stopping -
//
// [1] of an attached run. "failed" is "-> stopping" with an Error, which the events tell and the exit code is of.
// Whatever comes first decides; later ones change nothing, except that --force shortens the deadline. In "stopping"
// nothing can be asked any more; its steps have limits of their own (go_down), so no guest, caller or full disk can
// hold it up. What a step waits for is cancelled when the life is to end, so no step is waited out.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/async/clock.hpp"
#include "base/async/event.hpp"
#include "base/async/task_group.hpp"
#include "base/file.hpp"
#include "base/held_directory.hpp"
#include "base/unique_fd.hpp"
#include "launcher/claim/claimed_vm.hpp"
#include "launcher/gateway/ports/port_publisher.hpp"
#include "launcher/machine/machine.hpp"
#include "launcher/report/report.hpp"
#include "launcher/state/record.hpp"
#include "launcher/state/vm_directory.hpp"
#include "launcher/supervisor/control_api.hpp"
#include "launcher/supervisor/event_log.hpp"
#include "launcher/supervisor/gateways.hpp"
#include "launcher/supervisor/run.hpp"
#include "launcher/supervisor/workspace_listing.hpp"
#include "vmspec/plan/vm_spec.hpp"

namespace agentvm::supervisor {

/// What the supervisor is started with.
struct SupervisorOptions {
  vmspec::VmSpec spec;
  state::Roots roots;
  state::VmPaths paths;
  std::optional<FileLock> lock;            ///< the VM's, for as long as it lives
  UniqueFd owner;                          ///< the starter's connection; may be none
  std::vector<HeldDirectory> directories;  ///< of spec.shares, in its order
  HeldDirectory report_directory;          ///< of spec.report_file; none without one
  std::optional<pool::ClaimedVm> claimed;  ///< of a plan on a pool's VM
  std::string agentvm;                     ///< absolute paths of the programs beside us
  std::string reaper;
};

/// Lives until the VM is gone: 0, or 125 and the like when the run failed in agentvm itself. Throws Error when the life
/// could not begin; the caller then still owns what is on disk.
int supervise(SupervisorOptions options);

class Supervisor {
 public:
  /// Everything outlives it. `guard_fd`: readable when the reaper is gone; -1: there is none.
  Supervisor(boost::asio::any_io_executor executor, SupervisorOptions& options, state::Record& record,
             machine::Parts& parts, Clock& clock, int guard_fd);

  /// The whole life; returns the exit code of the process. Everything it started has been joined when it completes.
  boost::asio::awaitable<int> live();

 private:
  /// Why the VM must go: said once.
  struct Stop {
    std::string reason;
    std::optional<Error> failure;  ///< the run failed in agentvm itself
    std::optional<int> exit_code;  ///< of a run whose agent has none
  };

  void begin();
  boost::asio::awaitable<void> come_up();
  boost::asio::awaitable<void> run_agent();
  boost::asio::awaitable<void> go_down();

  void end(Stop stop);
  boost::asio::awaitable<void> end_asked();
  boost::asio::awaitable<void> work();
  bool stopping() const noexcept { return stop_.has_value(); }
  std::chrono::milliseconds shutdown_limit() const;

  // Watches beside the steps; each ends the life when its time comes.
  boost::asio::awaitable<void> watch_signals();
  boost::asio::awaitable<void> watch_guard();
  boost::asio::awaitable<void> watch_machine();
  boost::asio::awaitable<void> start_mcp_servers();

  void publish_ports();
  guest::GuestSetup guest_setup() const;
  boost::asio::awaitable<Report> make_report();
  /// The sockets always; the state directory unless the logs of a VM that was to be kept are to stay readable.
  void remove_directories(bool keep_logs) noexcept;

  // What callers ask (routes.cpp).
  boost::asio::awaitable<void> answer(link::StreamPtr stream);
  boost::asio::awaitable<void> answer_own(link::StreamPtr stream);
  boost::asio::awaitable<void> watch_owner(link::StreamPtr stream);
  boost::asio::awaitable<void> answer_stop(link::StreamPtr stream);
  boost::asio::awaitable<void> answer_start(link::StreamPtr stream);
  boost::asio::awaitable<void> answer_processes(link::StreamPtr stream);
  boost::asio::awaitable<void> until_gone();
  boost::asio::awaitable<void> until_forced();
  nlohmann::json status() const;

  void step(const std::string& name, const std::string& text);
  std::int64_t since_start() const;

  boost::asio::any_io_executor executor_;
  SupervisorOptions& options_;
  const vmspec::VmSpec& spec_;
  const state::VmPaths& paths_;
  state::Record& record_;
  machine::Parts& parts_;
  Clock& clock_;
  int guard_fd_;
  AsyncEvent changed_;
  EventLog events_;
  std::vector<std::shared_ptr<gateway::PortPublisher>> published_;
  Gateways gateways_;
  WorkspaceListing listing_;
  Run run_;
  machine::Machine machine_;
  ControlApi api_;
  TaskGroup tasks_;

  bool owned_ = false;  ///< /own was asked for
  bool ready_ = false;
  bool force_ = false;
  bool gone_ = false;
  std::optional<std::chrono::milliseconds> asked_deadline_;
  std::optional<Stop> stop_;
  int exit_code_ = 0;
  std::int64_t ready_ms_ = 0;
  std::int64_t agent_started_ms_ = 0;
  std::string report_text_;
};

}  // namespace agentvm::supervisor
