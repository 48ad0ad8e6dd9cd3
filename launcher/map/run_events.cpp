// run_events.cpp - reads the lines that follow.cpp writes.
#include "launcher/map/run_events.hpp"

#include <signal.h>

#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/text.hpp"

namespace agentvm::batch {

using nlohmann::json;

namespace {

constexpr std::size_t most_words = 16 * 1024;
constexpr std::size_t longest_error = 1000;
/// The agent's output is most of what comes, and says nothing about how the run ends.
constexpr std::string_view output_start = R"({"event":"output")";
constexpr std::string_view error_mark = "agentvm: error: ";

}  // namespace

void RunEvents::line(const std::string& text) {
  if (text.starts_with(output_start)) return;
  const json event = json::parse(text, nullptr, false);
  if (!event.is_object()) return;
  const std::string kind = event.value("event", "");
  if (kind == "run") {
    attempt_.name = event.value("name", "");
  } else if (kind == "agent-ended") {
    agent_ended_ = true;
  } else if (kind == "failed") {
    attempt_.error = printable(event.value("message", ""), longest_error);
  } else if (kind == "stopped" && event.contains("report") && event["report"].is_object()) {
    attempt_.report = event["report"].dump(-1, ' ', false, json::error_handler_t::replace);
    attempt_.ended = event["report"].value("ended", "");
  }
}

void RunEvents::words(std::string_view text) {
  stderr_ += text;
  if (stderr_.size() > 2 * most_words) stderr_.erase(0, stderr_.size() - most_words);
}

void RunEvents::interrupt() noexcept {
  if (!agent_ended_) interrupted_ = true;
}

std::string RunEvents::last_words() const {
  const auto mark = stderr_.rfind(error_mark);
  if (mark != std::string::npos) return printable(plain_line(stderr_.substr(mark + error_mark.size()), longest_error));
  return plain_line(last_lines(stderr_, 3), longest_error);
}

Attempt RunEvents::outcome(const ExitStatus& status) const {
  Attempt attempt = attempt_;
  attempt.exit_code = status.shell_code();
  attempt.interrupted = interrupted_;
  const bool own_failure = status.signal != 0 || attempt.exit_code == static_cast<int>(ExitCode::agentvm_failed) ||
                           attempt.exit_code == static_cast<int>(ExitCode::cannot_start);
  // `agentvm stop` or `destroy` of somebody who wanted it so.
  const bool wanted = attempt.ended == "stopped";
  attempt.lost = own_failure && !agent_ended_ && !wanted;
  if (attempt.ended.empty()) attempt.ended = status.signal != 0 ? "killed" : "failed";
  if (attempt.error.empty() && attempt.exit_code != 0 && !agent_ended_) {
    attempt.error = status.signal != 0
                        ? std::string("agentvm run was killed by signal ") + std::to_string(status.signal)
                        : last_words();
  }
  json report = json::parse(attempt.report, nullptr, false);
  if (report.is_object()) {
    // What its own caller would have been told.
    report["exit_code"] = attempt.exit_code;
    attempt.report = report.dump(-1, ' ', false, json::error_handler_t::replace);
  }
  return attempt;
}

}  // namespace agentvm::batch
