// stdio_relay.hpp - joins our stdin, stdout and stderr with a process in a guest.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/async/event.hpp"
#include "base/async/task_group.hpp"
#include "base/link/link.hpp"
#include "launcher/terminal/local_streams.hpp"
#include "launcher/terminal/terminal.hpp"

namespace agentvm::commands {

/// Where a process's streams are, below a session, and how they are joined.
struct RelayOptions {
  std::string base;          ///< "/agent" or "/processes/N": stdin, stdout, stderr, resize and signal are below it
  bool tty = false;          ///< raw mode, window size, no stderr
  bool input = true;         ///< pass our stdin on
  bool detach_keys = false;  ///< ctrl-p ctrl-q ends the relay, with `tty`
  /// Takes the output instead of stdout and stderr when set; false: the reader is gone.
  std::function<boost::asio::awaitable<bool>(std::string stream, std::string bytes)> sink = {};
};

/// Lives on the session's thread. Its tasks are joined, by the owner of their group, before it goes.
class StdioRelay {
 public:
  /// Starts its tasks in `tasks`.
  StdioRelay(boost::asio::any_io_executor executor, TaskGroup& tasks, link::SessionPtr session, RelayOptions options);
  StdioRelay(const StdioRelay&) = delete;
  StdioRelay& operator=(const StdioRelay&) = delete;

  /// Asks for the outputs, so that nothing of them is missed.
  void open_outputs();
  /// Takes the terminal (when `tty`) and starts to pass stdin on.
  void open_input();
  /// Completes when both outputs have ended and are written out, or when the detach keys came.
  boost::asio::awaitable<void> finished();

  /// Sends a signal to the process; a process that is gone already is no failure.
  boost::asio::awaitable<void> send_signal(int number);
  /// Tells the process the terminal's size, when it has one.
  boost::asio::awaitable<void> send_size();

  bool detached() const noexcept { return detached_; }
  /// The exit-code trailer of an output, when one came.
  std::optional<int> exit_code() const noexcept { return exit_code_; }
  /// The reader of our output went away (EPIPE), or its disk is full.
  bool output_lost() const noexcept { return output_lost_; }
  int output_error() const noexcept { return output_error_; }
  /// Completes when the output is lost.
  boost::asio::awaitable<void> wait_output_lost();
  /// Gives the terminal back and reads stdin no more.
  void close_input() noexcept;
  /// Ends the local streams' threads, and undoes what the process has switched on in the terminal. To be called before
  /// the executor goes; nothing else may be called after it.
  void shut_down() noexcept;

 private:
  void open_output(const std::string& name, LocalOutput* local);
  boost::asio::awaitable<void> pump_output(link::StreamPtr stream, std::string name, LocalOutput* local);
  boost::asio::awaitable<void> pump_input();

  boost::asio::any_io_executor executor_;
  TaskGroup& tasks_;
  link::SessionPtr session_;
  RelayOptions options_;
  AsyncEvent changed_;
  std::unique_ptr<LocalOutput> stdout_, stderr_;
  std::unique_ptr<LocalInput> stdin_;
  std::optional<RawMode> raw_;
  DetachKeys keys_;
  int outputs_open_ = 0;
  bool detached_ = false;
  bool output_lost_ = false;
  int output_error_ = 0;
  std::optional<int> exit_code_;
};

}  // namespace agentvm::commands
