// run.hpp - what a VM is for: one agent on a machine, from its caller's word to its end or its time-out.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <cstdint>
#include <optional>

#include "base/async/clock.hpp"
#include "base/async/event.hpp"
#include "base/unique_fd.hpp"
#include "launcher/machine/machine.hpp"
#include "launcher/supervisor/agent_process.hpp"
#include "vmspec/plan/vm_spec.hpp"

namespace agentvm::supervisor {

struct RunLimits {
  std::chrono::milliseconds caller{60'000};    ///< from a ready VM to a caller who attaches
  std::chrono::milliseconds start{60'000};     ///< for the guest to start the agent
  std::chrono::milliseconds terminate{5'000};  ///< from a timed-out agent's SIGTERM to its SIGKILL
  std::chrono::milliseconds kill{5'000};       ///< from there to its end
  std::chrono::milliseconds deliver{2'000};    ///< for the last output of a timed-out agent
};

class Run {
 public:
  /// How the agent ended.
  struct End {
    int exit_code = 0;
    bool timed_out = false;
  };

  /// `clock` outlives it. The agent's output is logged to `log`, when it is open.
  Run(boost::asio::any_io_executor executor, const vmspec::VmSpec& spec, Clock& clock, UniqueFd log,
      RunLimits limits = {});

  /// Completes once a caller has asked for the start; a detached run's agent waits for nobody. Throws Error when none
  /// comes.
  boost::asio::awaitable<void> caller_there();
  /// Throws Error: not_found, cannot_start, or that the guest did not answer.
  boost::asio::awaitable<void> start(machine::Machine& machine);
  /// Completes when the agent has ended and whoever listens has its output, or its time is up and it is gone. Throws
  /// what ended the machine under it.
  boost::asio::awaitable<End> ended(machine::Machine& machine);

  /// A caller listens, with a window of this size. False: the agent has been started before.
  bool ask_start(unsigned rows, unsigned columns);
  AgentProcess& agent() noexcept { return agent_; }
  const AgentProcess& agent() const noexcept { return agent_; }
  /// See AgentProcess::join.
  boost::asio::awaitable<void> join();

 private:
  boost::asio::awaitable<void> start_asked();

  Clock& clock_;
  RunLimits limits_;
  std::chrono::milliseconds timeout_;
  UniqueFd log_;
  AgentProcess agent_;
  AsyncEvent changed_;
  bool start_asked_;
};

}  // namespace agentvm::supervisor
