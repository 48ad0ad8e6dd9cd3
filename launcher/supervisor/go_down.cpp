// go_down.cpp - the end of a life: everything down in reverse, the report, and no trace.
#include <spdlog/spdlog.h>

#include <nlohmann/json.hpp>

#include "base/async/race.hpp"
#include "base/async/within.hpp"
#include "base/file.hpp"
#include "base/held_directory.hpp"
#include "launcher/supervisor/supervisor.hpp"

namespace agentvm::supervisor {

namespace asio = boost::asio;
using namespace std::chrono_literals;

namespace {
constexpr auto default_shutdown = 4s;
constexpr auto forced_shutdown = 300ms;
/// For an agent's last output and exit code to arrive once its guest is off.
constexpr auto last_words = 200ms;
}  // namespace

std::chrono::milliseconds Supervisor::shutdown_limit() const {
  if (force_) return forced_shutdown;
  return asked_deadline_.value_or(default_shutdown);
}

asio::awaitable<void> Supervisor::go_down() {
  record_.enter("stopping");
  for (const auto& publisher : published_) publisher->close();
  auto off = machine_.power_off(shutdown_limit());
  if (force_) {
    co_await std::move(off);
  } else {
    // A second word, with force, cuts the orderly way short.
    auto forced = until_forced();
    auto first = race(std::move(off), std::move(forced));
    co_await std::move(first);
  }
  if (run_.agent().started() && !run_.agent().exit_code()) {
    auto told = ended_within(clock_, last_words, run_.agent().exited());
    co_await std::move(told);
  }
  auto left = run_.join();
  co_await std::move(left);
  auto down = machine_.take_down();
  co_await std::move(down);
  gateways_.close();
  auto making = make_report();
  const Report report = co_await std::move(making);
  report_text_ = to_json(report).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  if (!spec_.report_file.empty()) {
    try {
      options_.report_directory.write_file(spec_.report_file.substr(spec_.report_file.rfind('/') + 1),
                                           report_text_ + "\n", 0644);
    } catch (const Error& error) {
      spdlog::error("the report was not written: {}", error.what());
    }
  }
  // A run that ends early may leave a walk behind, which writes below the VM's directory.
  auto idle = listing_.idle();
  co_await std::move(idle);
  // The directories go before anybody is told, so that whoever was told finds nothing.
  remove_directories(spec_.keep && ready_ && !force_);
  events_.add("stopped", {{"report", to_json(report)}});
  events_.close();
  gone_ = true;
  changed_.notify();
  co_await api_.finish();
  co_await tasks_.join();
}

asio::awaitable<void> Supervisor::until_forced() {
  while (!force_) co_await changed_.wait();
}

asio::awaitable<Report> Supervisor::make_report() {
  const AgentProcess& agent = run_.agent();
  Report report;
  report.name = spec_.name;
  // An agent that was stopped has the code it was stopped with, when it lived to tell it.
  report.exit_code =
      stop_->exit_code ? *stop_->exit_code : agent.exit_code().value_or(static_cast<int>(ExitCode::agentvm_failed));
  report.ended = stop_->reason;
  report.ready_ms = ready_ms_;
  report.agent_started_ms = agent_started_ms_;
  report.total_ms = since_start();
  report.commands = gateways_.commands();
  report.mcp_calls_json = events_.collected("mcp-call");
  report.model_requests_json = events_.collected("model-request");
  report.dropped_events = events_.dropped();
  if (agent.started()) {
    auto comparing = listing_.changes();
    auto changes = co_await std::move(comparing);
    report.files = std::move(changes.files.files);
    report.files_truncated = changes.files.truncated;
    for (auto& change : changes.git) report.git.push_back({std::move(change.path), std::move(change.reason)});
  }
  co_return report;
}

void Supervisor::remove_directories(bool keep_logs) noexcept {
  const auto remove = [](const std::string& directory) {
    const std::string failure = remove_tree(directory);
    if (!failure.empty()) spdlog::error("removing {}: {}", directory, failure);
  };
  // Before the mark below: `agentvm gc` leaves alone what has it, so nothing else of the VM may still be there.
  remove(paths_.runtime_dir);
  // Without the mark they would show as a crashed VM's.
  if (keep_logs) keep_logs = record_.keep();
  if (!keep_logs) remove(paths_.state_dir);
}

}  // namespace agentvm::supervisor
