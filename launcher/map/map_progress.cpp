// map_progress.cpp - words about tasks.
#include "launcher/map/map_progress.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include "launcher/terminal/output.hpp"

namespace agentvm::batch {

namespace {

constexpr std::size_t most_named = 10;

}  // namespace

MapProgress::MapProgress(std::size_t total, std::size_t done, std::size_t failed)
    : total_(total), done_(done), failed_(failed), terminal_(isatty(STDERR_FILENO) == 1), line_(false) {}

void MapProgress::started(const std::string& id, unsigned attempt) {
  running_.insert(id);
  if (attempt > 1) {
    line_.clear();
    commands::print_error(fmt::format("agentvm: {} is tried again ({})\n", id, attempt));
  }
  if (terminal_) show();
}

void MapProgress::ended(const TaskResult& result) {
  running_.erase(result.id);
  ++done_;
  if (result.exit_code != 0) {
    ++failed_;
    if (++named_ <= most_named) {
      first_failures_ += fmt::format("{}{}: {}", first_failures_.empty() ? "" : ", ", result.id, result.exit_code);
    }
  }
  const std::string how =
      fmt::format("{} ended with {} after {}{}{}", result.id, result.exit_code, commands::human_time(result.total_ms),
                  result.error.empty() ? "" : ": ", result.error);
  if (!terminal_) {
    line_.step(fmt::format("{} of {}: {}", done_, total_, how));
    return;
  }
  if (result.exit_code != 0) {
    line_.clear();
    commands::print_error("agentvm: " + how + "\n");
  }
  show();
}

void MapProgress::step(const std::string& text) {
  line_.step(text);
}

void MapProgress::show() {
  std::string names;
  for (const std::string& id : running_) names += (names.empty() ? "" : ", ") + id;
  const std::string failures = failed_ == 0 ? "" : fmt::format(" ({} not 0)", failed_);
  line_.step(fmt::format("{} of {} done{}, {} running{}{}", done_, total_, failures, running_.size(),
                         names.empty() ? "" : ": ", names));
}

std::string MapProgress::summary(std::int64_t took_ms) const {
  std::string failures;
  if (failed_ > 0) {
    const std::string more = named_ > most_named ? ", ..." : "";
    failures = fmt::format(", {} with another exit code than 0{}", failed_,
                           first_failures_.empty() ? "" : " (" + first_failures_ + more + ")");
  }
  return fmt::format("{} of {} tasks are done{}; {}", done_, total_, failures, commands::human_time(took_ms));
}

}  // namespace agentvm::batch
