// follow.cpp - the caller's side of a run, as coroutines around one connection to its supervisor.
#include "launcher/run/follow.hpp"

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "base/async/clock.hpp"
#include "base/async/event.hpp"
#include "base/async/within.hpp"
#include "base/error.hpp"
#include "base/file.hpp"
#include "base/text.hpp"
#include "launcher/client/client.hpp"
#include "launcher/client/json_lines.hpp"
#include "launcher/client/vm_lookup.hpp"
#include "launcher/report/report.hpp"
#include "launcher/run/ignored_files.hpp"
#include "launcher/run/progress.hpp"
#include "launcher/run/text.hpp"
#include "launcher/terminal/log.hpp"
#include "launcher/terminal/output.hpp"
#include "launcher/terminal/signals.hpp"
#include "launcher/terminal/stdio_relay.hpp"

namespace agentvm::commands {

namespace asio = boost::asio;
using nlohmann::json;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t largest_report = std::size_t{64} << 20;
constexpr std::size_t longest_refusal = 500;
/// A supervisor whose connection is gone is as good as gone itself.
constexpr auto supervisor_exit_limit = 5s;
/// The supervisor kills what does not go by itself long before this.
constexpr auto teardown_limit = 30s;
constexpr std::size_t most_server_ends = 8;

class RunFollower {
 public:
  RunFollower(StartedVm vm, const FollowOptions& options)
      : vm_(std::move(vm)),
        options_(options),
        client_(std::move(vm_.connection)),
        changed_(client_.executor()),
        progress_(options.json),
        signals_(client_.executor()) {
    if (options_.json) json_out_.emplace(client_.executor());
  }
  RunFollower(const RunFollower&) = delete;
  RunFollower& operator=(const RunFollower&) = delete;
  ~RunFollower() {
    if (relay_) relay_->shut_down();
  }

  int run() {
    client_.spawn(signals_.run([this](int number) { on_signal(number); }));
    client_.run(follow());
    if (relay_) relay_->shut_down();
    progress_.clear();
    // Not before: the terminal was the agent's.
    for (const std::string& words : server_ends_) log_warning(words);
    return outcome();
  }

 private:
  struct Failure {
    std::string message, hint, console;
    int exit_code = 0;
    bool guest_crashed = false;
  };

  bool over() const { return client_.over().has_value(); }
  bool ended() const { return failure_ || report_ || over() || leave_; }
  void notify() { changed_.notify(); }

  /// The first line of --json: what the caller has to know to find the VM again.
  std::string run_line() const {
    nlohmann::ordered_json line;
    line["event"] = "run";
    line["name"] = vm_.spec.name;
    line["uuid"] = vm_.spec.uuid;
    line["profile"] = vm_.spec.profile;
    line["workspace"] = vm_.spec.workspace;
    line["notes"] = vm_.spec.notes;
    return line.dump(-1, ' ', false, json::error_handler_t::replace);
  }

  asio::awaitable<void> follow() {
    if (json_out_) co_await json_out_->line(run_line());
    client_.spawn(watch_connection());
    client_.spawn(read_events());
    if (!options_.detach) client_.spawn(own());
    while (!ready_ && !agent_started_ && !ended()) co_await changed_.wait();
    if (options_.detach) {
      while (!agent_started_ && !ended()) co_await changed_.wait();
    } else if (!ended()) {
      co_await lend_terminal();
    }
    if (options_.detach && !ended()) co_return;
    if (vm_.spec.keep && agent_code_ && !ended()) {
      // Ending our half says that we are done; a caller that just vanishes takes its VM with it.
      if (own_) own_->finish();
      client_.session().close();
      co_await client_.wait_over();
      co_return;
    }
    SteadyClock clock;
    auto torn_down = ended_within(clock, teardown_limit, wait_torn_down());
    if (!co_await std::move(torn_down)) {
      log_warning("the supervisor of '" + vm_.paths.name + "' is still shutting the VM down; not waiting any longer");
      leave_ = true;
    }
    if (json_out_) co_await json_out_->flush();
  }

  asio::awaitable<void> watch_connection() {
    co_await client_.wait_over();
    notify();
  }

  asio::awaitable<void> wait_torn_down() {
    while (!over() && !leave_ && !(report_ && (!options_.json || events_done_))) co_await changed_.wait();
  }

  asio::awaitable<void> own() {
    own_ = client_.session().open("POST", "/own");
    const std::string text = co_await own_->read_all(largest_report);
    if (!text.empty()) take_report(json::parse(text, nullptr, false));
  }

  void take_report(const json& document) {
    if (!document.is_object() || report_) return;
    report_ = supervisor::report_from_json(document);
    notify();
  }

  asio::awaitable<void> read_events() {
    const link::StreamPtr stream = client_.session().open("GET", "/events", {}, true);
    LineReader lines;
    for (;;) {
      const std::string bytes = co_await stream->read();
      if (bytes.empty()) break;
      for (const std::string& line : lines.add(bytes)) {
        if (json_out_ && !co_await json_out_->line(line)) reader_gone();
        const json event = json::parse(line, nullptr, false);
        if (event.is_object()) on_event(event);
      }
    }
    events_done_ = true;
    notify();
  }

  void on_event(const json& event) {
    const std::string name = event.value("event", "");
    if (name == "step") {
      if (!relay_) progress_.step(event.value("text", ""));
    } else if (name == "ready") {
      ready_ = true;
      progress_.clear();
      log_info(fmt::format("ready after {}", human_time(event.value("boot_ms", std::int64_t{0}))));
    } else if (name == "mcp-ended") {
      if (server_ends_.size() < most_server_ends) {
        server_ends_.push_back(fmt::format("the MCP server {} ended by itself with code {}; its last words: {}",
                                           event.value("server", ""), event.value("code", 0),
                                           event.value("words", "")));
      }
    } else if (name == "agent-started") {
      agent_started_ = true;
    } else if (name == "agent-ended") {
      agent_code_ = event.value("exit_code", static_cast<int>(ExitCode::agentvm_failed));
    } else if (name == "failed") {
      failure_ = Failure{event.value("message", ""), event.value("hint", ""), event.value("console", ""),
                         event.value("exit_code", static_cast<int>(ExitCode::agentvm_failed)),
                         event.value("guest_crashed", false)};
    } else if (name == "stopped") {
      const auto found = event.find("report");
      if (found != event.end()) take_report(*found);
    }
    notify();
  }

  /// The agent has our streams until it ends.
  asio::awaitable<void> lend_terminal() {
    const vmspec::AgentSpec& agent = vm_.spec.agent;
    RelayOptions relay{.base = "/agent", .tty = agent.pty, .input = agent.pty || !agent.stdin_null};
    if (json_out_) {
      relay.sink = [this](std::string stream, std::string bytes) -> asio::awaitable<bool> {
        return json_out_->output(std::move(stream), std::move(bytes));
      };
    }
    relay_.emplace(client_.executor(), client_.tasks(), client_.session_ptr(), std::move(relay));
    relay_->open_outputs();
    const WindowSize size = window_size();
    const link::Answer answer =
        co_await link::request(client_.session(), "POST", "/agent/start",
                               fmt::format("{{\"rows\":{},\"columns\":{}}}", size.rows, size.columns), 4096);
    if (answer.status != 200) log_warning("the agent was not started: " + plain_line(answer.body, longest_refusal));
    relay_->open_input();
    client_.spawn(watch_output());
    client_.spawn(wait_relay());
    while (!(relay_done_ && agent_code_) && !ended()) co_await changed_.wait();
    // What the agent said last is on its way still when its end is known.
    while (!relay_done_ && !over() && !leave_) co_await changed_.wait();
    relay_->close_input();
  }

  asio::awaitable<void> wait_relay() {
    co_await relay_->finished();
    relay_done_ = true;
    notify();
  }

  asio::awaitable<void> watch_output() {
    co_await relay_->wait_output_lost();
    if (relay_->output_error() == EPIPE) {
      reader_gone();
    } else {
      log_error(system_error(relay_->output_error(), "writing the agent's output").what(), {});
      ask_to_stop();
    }
  }

  /// As a program on this machine has it: SIGPIPE first.
  void reader_gone() {
    if (!std::exchange(reader_gone_, true)) client_.spawn(end_for_nobody());
  }

  asio::awaitable<void> end_for_nobody() {
    if (relay_) co_await relay_->send_signal(SIGPIPE);
    co_await sleep_for(pipe_grace);
    if (!agent_code_) ask_to_stop();
  }

  void ask_to_stop() { client_.spawn(request_stop()); }

  asio::awaitable<void> request_stop() {
    auto asked =
        link::request(client_.session(), "POST", "/stop", R"({"force":true,"deadline_ms":2000})", largest_report);
    co_await std::move(asked);
  }

  void on_signal(int number) {
    if (number == SIGWINCH) {
      if (relay_) client_.spawn(relay_->send_size());
      return;
    }
    interrupted_ = number;
    ++interruptions_;
    const bool to_agent = relay_ && agent_started_ && number != SIGHUP && interruptions_ == 1;
    if (to_agent) {
      client_.spawn(relay_->send_signal(number));
    } else if (interruptions_ <= 2) {
      progress_.step("stopping the VM");
      ask_to_stop();
    } else {
      leave_ = true;  // closing the connection takes the VM down too
      notify();
    }
  }

  std::string tail_of(const std::string& log, std::size_t lines) const {
    try {
      return last_lines(read_file_if_exists(vm_.paths.log(log)).value_or(""), lines);
    } catch (const Error&) {
      return {};
    }
  }

  /// The supervisor went away without a word.
  [[noreturn]] void supervisor_lost() {
    // While it is a process, its last words may be missing, and its VM cannot be swept.
    wait_for_exit(vm_.supervisor, supervisor_exit_limit);
    bool words = false;
    for (const auto& [log, lines, title] : {std::tuple{"console", 15, "The guest's console ended with:"},
                                            std::tuple{"vmm", 5, "The VMM's last messages:"},
                                            std::tuple{"supervisor", 5, "The supervisor's last messages:"}}) {
      const std::string tail = tail_of(log, static_cast<std::size_t>(lines));
      if (tail.empty()) continue;
      print_error(std::string(title) + "\n" + tail);
      words = true;
    }
    const state::SweepResult swept = state::sweep(vm_.paths, false);
    for (const std::string& failure : swept.failed) log_warning("could not remove: " + failure);
    throw Error("the supervisor of '" + vm_.paths.name + "' died" +
                    (client_.over()->empty() ? "" : " (" + *client_.over() + ")") +
                    (swept.failed.empty() ? "; its VM was removed" : "; parts of its VM are left"),
                words ? "If nothing killed it, please report this with the messages above."
                      : "It left no message. If nothing killed it, please report this with the output of agentvm -vv.");
  }

  int outcome() {
    if (failure_) {
      if (!failure_->console.empty() && (!ready_ || failure_->guest_crashed)) {
        print_error("The guest's console ended with:\n" + last_lines(failure_->console, 25));
      }
      throw Error(printable(failure_->message), printable(failure_->hint), static_cast<ExitCode>(failure_->exit_code));
    }
    if (report_) {
      const int code = agent_code_               ? *agent_code_
                       : interrupted_ != 0       ? 128 + interrupted_
                       : report_->exit_code != 0 ? report_->exit_code
                                                 : static_cast<int>(ExitCode::agentvm_failed);
      // What is printed is what the caller's $? will be, also when nothing ran and the report has no code.
      report_->exit_code = code;
      if (!options_.json) {
        print_error(folded(report_text(*report_, {.command = vm_.spec.agent.kind == "command",
                                                  .ignored = ignored_files(vm_.spec.workspace, *report_)}),
                           columns_of(STDERR_FILENO), 4));
      }
      return code;
    }
    if (options_.detach && agent_started_) {
      if (!options_.json) print(vm_.spec.name + "\n");
      return 0;
    }
    if (vm_.spec.keep && agent_code_) {
      print_error(
          fmt::format("agentvm: the {} ended with exit code {}; the VM '{}' stays (agentvm shell {}, agentvm destroy "
                      "{})\n",
                      vm_.spec.agent.kind == "command" ? "command" : "agent", *agent_code_, vm_.spec.name,
                      vm_.spec.name, vm_.spec.name));
      return *agent_code_;
    }
    if (leave_) return interrupted_ != 0 ? 128 + interrupted_ : static_cast<int>(ExitCode::agentvm_failed);
    supervisor_lost();
  }

  StartedVm vm_;
  FollowOptions options_;
  Client client_;
  AsyncEvent changed_;
  Progress progress_;
  std::vector<std::string> server_ends_;
  SignalWatch signals_;
  std::optional<JsonLines> json_out_;
  std::optional<StdioRelay> relay_;
  link::StreamPtr own_;
  bool ready_ = false;
  bool agent_started_ = false;
  bool relay_done_ = false;
  bool events_done_ = false;
  bool reader_gone_ = false;
  bool leave_ = false;
  int interrupted_ = 0;
  int interruptions_ = 0;
  std::optional<int> agent_code_;
  std::optional<Failure> failure_;
  std::optional<supervisor::Report> report_;
};

}  // namespace

int follow_run(StartedVm vm, const FollowOptions& options, const Context&) {
  return RunFollower(std::move(vm), options).run();
}

}  // namespace agentvm::commands
