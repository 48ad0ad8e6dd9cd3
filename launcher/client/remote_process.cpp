// remote_process.cpp - a process in a guest, from start to exit code.
#include "launcher/client/remote_process.hpp"

#include <fmt/format.h>
#include <signal.h>

#include <charconv>
#include <nlohmann/json.hpp>

#include "base/async/event.hpp"
#include "base/error.hpp"
#include "base/text.hpp"
#include "base/wire/guest.hpp"
#include "launcher/client/client.hpp"
#include "launcher/terminal/log.hpp"
#include "launcher/terminal/output.hpp"
#include "launcher/terminal/signals.hpp"
#include "launcher/terminal/stdio_relay.hpp"

namespace agentvm::commands {

namespace asio = boost::asio;
using nlohmann::json;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t longest_refusal = 4096;

/// What is left out is the agent's, and filled in by the supervisor.
std::string process_text(const RemoteProcess& process) {
  guest::ProcessSpec spec{.argv = process.argv, .env = process.environment, .cwd = process.directory};
  spec.pty = process.tty;
  if (process.uid) spec.uid = spec.gid = *process.uid;
  if (process.tty) {
    const WindowSize size = window_size();
    spec.rows = size.rows;
    spec.columns = size.columns;
  }
  json document = guest::to_json(spec);
  if (process.environment.empty()) document.erase("env");
  if (process.directory.empty()) document.erase("cwd");
  if (!process.uid) {
    document.erase("uid");
    document.erase("gid");
  }
  try {
    return document.dump();
  } catch (const json::exception&) {
    // Never another command than the one that was meant.
    throw Error("the command, its directory or its variables are not UTF-8 text", {}, ExitCode::usage);
  }
}

int number_in(std::string_view text, int otherwise) {
  int number = otherwise;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

class ProcessRunner {
 public:
  ProcessRunner(const state::VmPaths& paths, const RemoteProcess& process)
      : paths_(paths),
        process_(process),
        client_(Client::connect(paths)),
        changed_(client_.executor()),
        signals_(client_.executor()) {}
  ProcessRunner(const ProcessRunner&) = delete;
  ProcessRunner& operator=(const ProcessRunner&) = delete;
  ~ProcessRunner() {
    if (relay_) relay_->shut_down();
  }

  int run() {
    client_.spawn(signals_.run([this](int number) { on_signal(number); }));
    client_.run(follow());
    if (relay_) relay_->shut_down();
    if (exit_code_) return *exit_code_;
    if (interrupted_ != 0) return 128 + interrupted_;
    throw Error("the VM '" + paths_.name + "' went away while the command ran in it",
                "agentvm ls lists the VMs there are.");
  }

 private:
  asio::awaitable<void> follow() {
    std::string spec = process_text(process_);
    stream_ = client_.session().open("POST", "/processes");
    co_await stream_->write(std::move(spec));
    stream_->finish();
    const link::Fields answer = co_await stream_->response();
    const std::string status(link::field(answer, ":status"));
    if (status != "200") {
      const std::string words = printable(co_await refusal());
      if (status == "503" || (status != "404" && status != "403")) {
        throw Error("the command cannot run in '" + paths_.name + "': " + words);
      }
      log_error(words, {});
      exit_code_ = static_cast<int>(status == "404" ? ExitCode::not_found : ExitCode::cannot_start);
      co_return;
    }
    const std::string id(link::field(answer, "process-id"));
    RelayOptions options;
    options.base = "/processes/" + id;
    options.tty = process_.tty;
    relay_.emplace(client_.executor(), client_.tasks(), client_.session_ptr(), std::move(options));
    relay_->open_outputs();
    relay_->open_input();
    client_.spawn(wait_end());
    client_.spawn(watch_output());
    co_await relay_->finished();
    while (!exit_code_ && !ended_) co_await changed_.wait();
  }

  asio::awaitable<std::string> refusal() {
    std::string words = co_await stream_->read_all(longest_refusal);
    while (!words.empty() && words.back() == '\n') words.pop_back();
    co_return words;
  }

  asio::awaitable<void> wait_end() {
    try {
      for (;;) {
        const std::string bytes = co_await stream_->read();
        if (bytes.empty()) break;
      }
      const std::string_view code = link::field(stream_->trailers(), "exit-code");
      if (!code.empty()) exit_code_ = number_in(code, static_cast<int>(ExitCode::agentvm_failed));
    } catch (const Error& error) {
      log_debug(error.what());
    }
    ended_ = true;
    changed_.notify();
  }

  /// As a program on this machine has it: SIGPIPE, and if that is ignored, the end.
  asio::awaitable<void> watch_output() {
    co_await relay_->wait_output_lost();
    if (relay_->output_error() != EPIPE) {
      log_error(system_error(relay_->output_error(), "writing the command's output").what(), {});
    }
    interrupted_ = SIGPIPE;
    co_await relay_->send_signal(SIGPIPE);
    co_await sleep_for(pipe_grace);
    stream_->reset();
  }

  void on_signal(int number) {
    if (number == SIGWINCH) {
      if (relay_) client_.spawn(relay_->send_size());
      return;
    }
    interrupted_ = number;
    if (relay_ && number != SIGHUP && ++interruptions_ == 1) {
      client_.spawn(relay_->send_signal(number));
    } else {
      client_.session().close();  // the process is killed with its stream
    }
  }

  const state::VmPaths& paths_;
  const RemoteProcess& process_;
  Client client_;
  AsyncEvent changed_;
  SignalWatch signals_;
  link::StreamPtr stream_;
  std::optional<StdioRelay> relay_;
  std::optional<int> exit_code_;
  bool ended_ = false;
  int interrupted_ = 0;
  int interruptions_ = 0;
};

}  // namespace

int run_remote_process(const state::VmPaths& paths, const RemoteProcess& process) {
  return ProcessRunner(paths, process).run();
}

}  // namespace agentvm::commands
