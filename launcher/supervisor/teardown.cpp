// teardown.cpp - the end of a VM's life: everything down in reverse, the report, and no trace.
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <nlohmann/json.hpp>
#include <string_view>

#include "base/file.hpp"
#include "launcher/supervisor/life.hpp"

namespace agentvm::supervisor {

namespace asio = boost::asio;
using namespace std::chrono_literals;

namespace {
constexpr auto shutdown_limit = 4s;
constexpr auto forced_shutdown_limit = 300ms;
constexpr auto share_limit = 300ms;
constexpr std::size_t console_lines = 25;
constexpr std::size_t console_bytes = 8192;
constexpr std::size_t lines_before_panic = 10;
constexpr std::string_view panic_words = "Kernel panic - not syncing";

/// Where the line begins that stands `count` lines above the one at `at`.
std::size_t line_above(const std::string& text, std::size_t at, std::size_t count) {
  std::size_t end = text.rfind('\n', at);
  while (count-- > 0 && end != std::string::npos && end > 0) end = text.rfind('\n', end - 1);
  return end == std::string::npos ? 0 : end + 1;
}

std::string first_lines(const std::string& text, std::size_t count) {
  std::size_t end = 0;
  while (count-- > 0 && end < text.size()) end = std::min(text.find('\n', end), text.size() - 1) + 1;
  return text.substr(0, end);
}

}  // namespace

asio::awaitable<void> Life::stop_guest() {
  if (!vm_started_ || vm_end_) co_return;
  if (ready_ && links_.control() && links_.control()->open_for_streams()) {
    asio::co_spawn(
        io_,
        [control = links_.control()]() -> asio::awaitable<void> {
          co_await link::request(*control, "POST", "/shutdown", "{}", 4096);
        },
        asio::detached);
    const auto deadline = std::chrono::steady_clock::now() + (force_ ? forced_shutdown_limit : shutdown_limit);
    asio::steady_timer timer(io_, deadline);
    timer.async_wait([this](const boost::system::error_code& error) {
      if (!error) changed_.notify();
    });
    while (!vm_end_ && std::chrono::steady_clock::now() < deadline) co_await changed_.wait();
  }
  if (!vm_end_) co_await vm_->kill();
}

asio::awaitable<void> Life::tear_down() {
  state_.phase = "stopping";
  try {
    state::write_state(paths_, state_);
  } catch (const Error& error) {
    spdlog::warn("{}", error.what());  // a full disk must not keep the VM
  }
  for (const auto& publisher : published_) publisher->close();
  agent_->abandon();
  co_await stop_guest();
  links_.close();
  for (auto& share : shares_) share.stop(share_limit);
  mcp_.clear();
  model_.reset();
  const Report report = co_await make_report();
  report_text_ = to_json(report).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  if (!spec_.report_file.empty()) {
    try {
      options_.report_directory.write_file(spec_.report_file.substr(spec_.report_file.rfind('/') + 1),
                                           report_text_ + "\n", 0644);
    } catch (const Error& error) {
      spdlog::error("the report was not written: {}", error.what());
    }
  }
  vm_.reset();
  drop_lease();
  lease_stop_.request_stop();
  worker_.join();
  // The directories go before anybody is told, so that whoever was told finds nothing.
  remove_directories(spec_.keep && ready_ && !force_);
  events_.add("stopped", {{"report", to_json(report)}});
  events_.close();
  gone_ = true;
  changed_.notify();
  co_await sleep_for(1ms);  // lets the waiting answers write before their sessions are closed
  api_.close();
  co_await api_.drained();
  reaper_.dismiss();
}

asio::awaitable<Report> Life::make_report() {
  Report report;
  report.name = spec_.name;
  report.exit_code = exit_code_;
  report.ended = end_reason_;
  report.ready_ms = ready_ms_;
  report.agent_started_ms = agent_started_ms_;
  report.total_ms = since_start();
  report.commands = commands_;
  report.mcp_calls_json = events_.collected("mcp-call");
  report.model_requests_json = events_.collected("model-request");
  if (before_ && agent_->started()) {
    try {
      auto changes = workspace::changes_since(*before_, workspace_directory());
      report.files = std::move(changes.files);
      report.files_truncated = changes.truncated;
    } catch (const Error& error) {
      spdlog::warn("the report lists no files: {}", error.what());
      report.files_truncated = true;
    }
  }
  co_return report;
}

std::string Life::console_tail() const {
  try {
    const auto text = read_file_if_exists(paths_.log("console"));
    if (!text) return {};
    std::string tail = text->size() > console_bytes ? text->substr(text->size() - console_bytes) : *text;
    // A panic's own words come before a trace that may be longer than what is shown, and after what led to it.
    if (const std::size_t panic = tail.rfind(panic_words); panic != std::string::npos) {
      tail.erase(0, line_above(tail, panic, lines_before_panic));
      return first_lines(tail, console_lines);
    }
    std::size_t start = tail.size();
    for (std::size_t lines = 0; start > 0 && lines <= console_lines; --start) {
      if (tail[start - 1] == '\n') ++lines;
    }
    return tail.substr(start);
  } catch (const Error&) {
    return {};
  }
}

void Life::remove_directories(bool keep_logs) noexcept {
  const auto remove = [](const std::string& directory) {
    const std::string failure = remove_tree(directory);
    if (!failure.empty()) spdlog::error("removing {}: {}", directory, failure);
  };
  // Before the mark below: `agentvm gc` leaves alone what has it, so nothing else of the VM may still be there.
  remove(paths_.runtime_dir);
  if (keep_logs) {
    try {
      state_.phase = "stopped";
      state_.processes.clear();
      state::write_state(paths_, state_);
    } catch (const Error& error) {
      spdlog::error("{}", error.what());
      keep_logs = false;  // without the mark they would show as a crashed VM's
    }
  }
  if (!keep_logs) remove(paths_.state_dir);
}

}  // namespace agentvm::supervisor
