// result.hpp - how a task ended, as one JSON line.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace agentvm::batch {

/// A line without its report is short; one with it is cut below this (lists of calls and requests are left out).
inline constexpr std::size_t max_result_bytes = std::size_t{4} << 20;

struct TaskResult {
  std::string id;
  std::string digest;           ///< of the task (Task::digest)
  int exit_code = 0;            ///< of `agentvm run`, as the last attempt had it
  std::string ended;            ///< the report's "ended", or "failed" where agentvm failed before there was one
  std::string name;             ///< the VM's; "" when there was none
  std::string host;             ///< the machine it ran on
  std::string job;              ///< Slurm's, "12_3"; "" elsewhere
  unsigned attempts = 0;        ///< 1: no retry
  std::string started;          ///< of the first attempt, RFC 3339 in UTC
  std::int64_t total_ms = 0;    ///< of all attempts
  std::string error;            ///< what agentvm said where it failed; "": it did not
  std::string report = "null";  ///< JSON: what --report has; null: there is none
};

/// One line with its newline, no longer than max_result_bytes.
std::string to_line(const TaskResult& result);
/// Throws Error that says why the line is no result.
TaskResult result_from_line(std::string_view line);

/// What this machine calls itself.
std::string host_name();
/// The time of day as TaskResult::started has it, with milliseconds.
std::string utc_text(std::int64_t unix_ms);

}  // namespace agentvm::batch
