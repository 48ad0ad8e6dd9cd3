// stdio_relay.cpp - pumps between local streams and those of a process.
#include "launcher/terminal/stdio_relay.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "base/error.hpp"
#include "launcher/terminal/log.hpp"
#include "launcher/terminal/terminal_modes.hpp"

namespace agentvm::commands {

namespace asio = boost::asio;

StdioRelay::StdioRelay(asio::any_io_executor executor, TaskGroup& tasks, link::SessionPtr session, RelayOptions options)
    : executor_(std::move(executor)),
      tasks_(tasks),
      session_(std::move(session)),
      options_(std::move(options)),
      changed_(executor_) {}

void StdioRelay::open_outputs() {
  if (!options_.sink) {
    stdout_ = std::make_unique<LocalOutput>(executor_, STDOUT_FILENO);
    if (!options_.tty) stderr_ = std::make_unique<LocalOutput>(executor_, STDERR_FILENO);
  }
  open_output("stdout", stdout_.get());
  if (!options_.tty) open_output("stderr", stderr_.get());
}

void StdioRelay::open_output(const std::string& name, LocalOutput* local) {
  ++outputs_open_;
  tasks_.spawn(pump_output(session_->open("GET", options_.base + "/" + name, {}, true), name, local));
}

asio::awaitable<void> StdioRelay::pump_output(link::StreamPtr stream, std::string name, LocalOutput* local) {
  try {
    for (;;) {
      std::string bytes = co_await stream->read();
      if (bytes.empty()) break;
      if (detached_) break;  // the terminal is the caller's own again
      bool taken = false;
      if (local != nullptr) {
        if (options_.tty) watch_terminal_modes(bytes);
        taken = co_await local->write(std::move(bytes));
      } else {
        taken = co_await options_.sink(name, std::move(bytes));
      }
      if (taken) continue;
      output_lost_ = true;
      output_error_ = local != nullptr ? local->error() : EPIPE;
      changed_.notify();
      stream->reset();
      break;
    }
    const std::string_view code = link::field(stream->trailers(), "exit-code");
    if (!code.empty()) exit_code_ = std::atoi(std::string(code).c_str());
  } catch (const Error& error) {
    log_debug(error.what());  // the link's loss is noticed, and told, by whoever holds the session
  }
  if (local != nullptr && !output_lost_ && !co_await local->flush()) {
    output_lost_ = true;
    output_error_ = local->error();
  }
  --outputs_open_;
  changed_.notify();
}

void StdioRelay::open_input() {
  if (options_.tty) raw_.emplace();
  if (!options_.input) return;
  stdin_ = std::make_unique<LocalInput>(executor_, STDIN_FILENO);
  tasks_.spawn(pump_input());
}

asio::awaitable<void> StdioRelay::pump_input() {
  try {
    const link::StreamPtr stream = session_->open("POST", options_.base + "/stdin");
    for (;;) {
      std::string bytes = co_await stdin_->read();
      if (bytes.empty()) break;
      if (options_.tty && options_.detach_keys) {
        bytes = keys_.filter(bytes, detached_);
        if (detached_) {
          changed_.notify();
          co_return;  // dropping the stream resets it; the agent's stdin stays open
        }
        if (bytes.empty()) continue;
      }
      co_await stream->write(std::move(bytes));
    }
    stream->finish();
    co_await stream->closed();
  } catch (const Error& error) {
    // The process closed its stdin, or has none: what more we have is nobody's.
    log_debug(error.what());
  }
}

void StdioRelay::close_input() noexcept {
  if (stdin_) stdin_->stop();
  raw_.reset();
}

void StdioRelay::shut_down() noexcept {
  close_input();
  stdin_.reset();
  stdout_.reset();
  stderr_.reset();
  // Only now does nobody write to the terminal any more.
  if (options_.tty) undo_terminal_modes();
}

asio::awaitable<void> StdioRelay::finished() {
  while (outputs_open_ > 0 && !detached_) co_await changed_.wait();
  close_input();
}

asio::awaitable<void> StdioRelay::wait_output_lost() {
  while (!output_lost_) co_await changed_.wait();
}

asio::awaitable<void> StdioRelay::send_signal(int number) {
  try {
    co_await link::request(*session_, "POST", options_.base + "/signal", fmt::format("{{\"signal\":{}}}", number),
                           4096);
  } catch (const Error& error) {
    log_debug(error.what());
  }
}

asio::awaitable<void> StdioRelay::send_size() {
  if (!options_.tty) co_return;
  const WindowSize size = window_size();
  try {
    co_await link::request(*session_, "POST", options_.base + "/resize",
                           fmt::format("{{\"rows\":{},\"columns\":{}}}", size.rows, size.columns), 4096);
  } catch (const Error& error) {
    log_debug(error.what());
  }
}

}  // namespace agentvm::commands
