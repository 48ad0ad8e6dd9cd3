// fake_guest.hpp - agentvm-guest's side of both links on socket pairs, as base/wire/guest.hpp has them, without a VM.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/async/event.hpp"
#include "base/async/task_group.hpp"
#include "base/link/link.hpp"
#include "base/wire/guest.hpp"
#include "launcher/machine/link_transport.hpp"

namespace agentvm::test {

/// A guest that does what the test says: when it is ready, whether it answers, what its one process says and how that
/// ends. Its tasks are joined by leave().
class FakeGuest {
 public:
  explicit FakeGuest(boost::asio::any_io_executor executor);

  // What the test decides; all may change at any time.
  bool answers_setup = true;
  std::function<void()> on_setup;           ///< another of `setups` came
  std::chrono::milliseconds setup_took{0};  ///< what it says of its own work
  std::string setup_failure;                ///< what it answers a setup that it cannot do
  bool starts_processes = true;
  bool obeys_term = true;
  bool obeys_kill = true;
  bool powers_off = true;
  std::function<void()> on_shutdown;  ///< the guest was asked to power off, and does

  /// Comes up: both links are there, and the ready report is sent.
  void arrive();
  /// Both links break, as they do when the VM dies.
  void leave();
  bool there() const noexcept { return control_ != nullptr; }

  /// The process's stdout.
  void print(const std::string& text);
  /// Ends the process, and with it its output.
  void exit(int code);

  // What was asked of it.
  std::vector<nlohmann::json> setups;
  std::vector<nlohmann::json> processes;
  std::vector<int> signals;
  int arrivals = 0;
  bool shutdown_asked = false;

  /// The host's side of what arrive() makes.
  std::unique_ptr<machine::LinkTransport> make_transport(bool waits_for_guest);

 private:
  class Transport;
  boost::asio::awaitable<void> run_control();
  boost::asio::awaitable<void> run_services();
  boost::asio::awaitable<void> report_ready();
  boost::asio::awaitable<void> answer(link::StreamPtr stream);
  std::string setup_answer() const;
  boost::asio::awaitable<void> answer_process(link::StreamPtr stream);
  boost::asio::awaitable<void> answer_output(link::StreamPtr stream, bool stdout_stream);

  boost::asio::any_io_executor executor_;
  AsyncEvent changed_;
  machine::LinkStreams waiting_;  ///< the host's ends, until it takes them
  link::SessionPtr control_, services_;
  std::string output_;
  std::optional<int> exit_code_;
  std::optional<TaskGroup> tasks_;  ///< anew with each arrival
};

}  // namespace agentvm::test
