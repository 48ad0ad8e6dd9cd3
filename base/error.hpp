// error.hpp - the one exception type of the project, and what a message must hold.
//
// Rules. A function throws Error when only main (or one request's handler) can act on the failure; it returns a value
// (optional, a list of problems, an enum) when its caller decides. Library code never logs. Context is added on the
// way up with `wrap`. main holds the only catch ladder and prints `what()` and, on a line of its own, `hint()`.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace agentvm {

/// Exit codes of the command line, as `docker run` has them; the agent's own code passes through otherwise.
enum class ExitCode : int {
  success = 0,
  usage = 2,             ///< wrong arguments, an invalid profile
  timeout = 124,         ///< agent.timeout ran out
  agentvm_failed = 125,  ///< agentvm itself failed
  cannot_start = 126,    ///< the command was found but could not be started
  not_found = 127,       ///< the command was not found
};

/// A failure with one clear sentence: what was being done to which object, and why it could not be.
class Error : public std::runtime_error {
 public:
  explicit Error(std::string message, std::string hint = {}, ExitCode code = ExitCode::agentvm_failed)
      : std::runtime_error(std::move(message)), hint_(std::move(hint)), code_(code) {}

  /// The next thing to try, a full sentence; may be empty.
  const std::string& hint() const noexcept { return hint_; }
  ExitCode code() const noexcept { return code_; }

  /// The same failure seen from one step further out: "CONTEXT: MESSAGE", hint and code kept.
  Error wrap(std::string_view context) const { return Error(std::string(context) + ": " + what(), hint_, code_); }

 private:
  std::string hint_;
  ExitCode code_;
};

/// An Error whose reason is an errno value, worded by strerror. Pass `errno` at once: it does not survive other calls.
Error system_error(int error_number, std::string_view what_failed, std::string hint = {});

}  // namespace agentvm
