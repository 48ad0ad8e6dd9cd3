// agent_process.hpp - the agent's process in the guest: started once, its outputs shared, its end awaited.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <functional>
#include <optional>
#include <string>

#include "base/async/clock.hpp"
#include "base/async/event.hpp"
#include "base/async/task_group.hpp"
#include "base/link/link.hpp"
#include "base/wire/guest.hpp"
#include "launcher/supervisor/output_channel.hpp"

namespace agentvm::supervisor {

/// Must be joined before it is destroyed.
class AgentProcess {
 public:
  /// `log_fd` is borrowed; -1: no log.
  AgentProcess(boost::asio::any_io_executor executor, guest::ProcessSpec spec, int log_fd);

  /// Starts it. Throws Error with ExitCode not_found or cannot_start when the guest cannot.
  boost::asio::awaitable<void> start(link::SessionPtr control);
  /// Completes when it has ended, or can never.
  boost::asio::awaitable<void> exited();
  /// Completes when its outputs have ended, too, and whoever is attached has received all of them.
  boost::asio::awaitable<void> delivered();
  /// TERM to its process group, KILL after the grace; returns at its end, or when the time is up (false).
  boost::asio::awaitable<bool> terminate(Clock& clock, std::chrono::milliseconds grace,
                                         std::chrono::milliseconds kill_limit);

  bool started() const noexcept { return !id_.empty(); }
  /// As a shell has it; nullopt: it has not ended, or its link was lost before its end was known.
  const std::optional<int>& exit_code() const noexcept { return exit_code_; }
  guest::ProcessSpec& spec() noexcept { return spec_; }

  // What the control API serves below /agent. A handler may outlive the process, not this object.
  boost::asio::awaitable<void> serve_output(link::StreamPtr stream, bool error_stream);
  boost::asio::awaitable<void> serve_input(link::StreamPtr stream);
  boost::asio::awaitable<void> serve_request(link::StreamPtr stream, const std::string& action);

  /// Nothing more is to be expected of it: its outputs end where they are. Idempotent.
  void abandon();
  /// Ends what talks to the guest about it.
  boost::asio::awaitable<void> join() { return tasks_.join(); }

 private:
  boost::asio::awaitable<void> follow(link::StreamPtr process);
  boost::asio::awaitable<void> send_signal(int number);
  link::Fields exit_trailer() const;

  boost::asio::any_io_executor executor_;
  guest::ProcessSpec spec_;
  link::SessionPtr control_;
  std::string id_;
  bool over_ = false;  ///< ended, or given up
  std::optional<int> exit_code_;
  OutputChannel stdout_, stderr_;
  AsyncEvent changed_;
  bool input_taken_ = false;  ///< of an agent without a terminal
  link::StreamPtr terminal_input_;
  TaskGroup tasks_;
};

}  // namespace agentvm::supervisor
