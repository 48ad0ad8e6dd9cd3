// run_events.hpp - the events of one `agentvm run --json`, and what they and its exit code come to.
#pragma once

#include <string>
#include <string_view>

#include "base/process.hpp"
#include "launcher/map/attempt.hpp"

namespace agentvm::batch {

class RunEvents {
 public:
  /// One line of its stdout.
  void line(const std::string& text);
  /// What it says on stderr; the last of it is kept.
  void words(std::string_view text);
  /// From here on the end is our doing, unless the agent had come to its own already.
  void interrupt() noexcept;

  /// After its end. `status` as the process had it.
  Attempt outcome(const ExitStatus& status) const;

 private:
  std::string last_words() const;

  Attempt attempt_;
  std::string stderr_;
  bool agent_ended_ = false;
  bool interrupted_ = false;
};

}  // namespace agentvm::batch
