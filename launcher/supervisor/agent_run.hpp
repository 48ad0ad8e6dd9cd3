// agent_run.hpp - the agent's process in the guest: started once, its outputs shared, its end awaited.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <optional>
#include <string>

#include "base/async/event.hpp"
#include "base/link/link.hpp"
#include "base/wire/guest.hpp"
#include "launcher/supervisor/output_channel.hpp"

namespace agentvm::supervisor {

class AgentRun {
 public:
  /// `log_fd` is borrowed; -1: no log.
  AgentRun(boost::asio::any_io_executor executor, guest::ProcessSpec spec, int log_fd);

  /// Starts it. Throws Error with ExitCode not_found or cannot_start when the guest cannot.
  boost::asio::awaitable<void> start(link::SessionPtr control);
  /// Completes when it has ended and its outputs have been read; the exit code as a shell has it. A lost link gives
  /// 125.
  boost::asio::awaitable<int> ended();
  /// TERM to its process group, KILL after the grace.
  boost::asio::awaitable<void> terminate(std::chrono::milliseconds grace);

  bool started() const noexcept { return !id_.empty(); }
  bool has_ended() const noexcept { return exit_code_.has_value(); }
  guest::ProcessSpec& spec() noexcept { return spec_; }

  // What the control API serves below /agent.
  boost::asio::awaitable<void> serve_output(link::StreamPtr stream, bool error_stream);
  boost::asio::awaitable<void> serve_input(link::StreamPtr stream);
  boost::asio::awaitable<void> serve_request(link::StreamPtr stream, const std::string& action);
  /// Ends the outputs of an agent that will never start.
  void abandon();

 private:
  boost::asio::awaitable<void> follow(link::StreamPtr process);

  boost::asio::any_io_executor executor_;
  guest::ProcessSpec spec_;
  link::SessionPtr control_;
  std::string id_;
  std::optional<int> exit_code_;
  OutputChannel stdout_, stderr_;
  AsyncEvent changed_;
  bool input_taken_ = false;  ///< of an agent without a terminal
  link::StreamPtr terminal_input_;
};

}  // namespace agentvm::supervisor
