// sse_observer.hpp - reads a stream of server-sent events along and tells which shell commands the model asked for.
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace agentvm::gateway {

/// Fed with the body of a text/event-stream as it passes; never changes or delays it. Lines over 1 MiB are skipped.
class SseObserver {
 public:
  explicit SseObserver(std::function<void(std::string command)> on_command) : on_command_(std::move(on_command)) {}
  void feed(std::string_view bytes);

 private:
  void take_line(std::string_view line);

  std::function<void(std::string)> on_command_;
  std::string line_;
  bool skipping_ = false;
};

/// The command of a finished output item in one event's data: of a function_call of exec_command, shell or
/// local_shell, or of a local_shell_call. "" for anything else, whatever it is. Cut to 300 bytes.
std::string command_in_event(std::string_view data);

}  // namespace agentvm::gateway
