// agent_process.cpp - talks to the guest about the one process the run is for.
#include "launcher/supervisor/agent_process.hpp"

#include <csignal>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "base/async/within.hpp"
#include "base/error.hpp"

namespace agentvm::supervisor {

namespace asio = boost::asio;

AgentProcess::AgentProcess(asio::any_io_executor executor, guest::ProcessSpec spec, int log_fd)
    : executor_(executor),
      spec_(std::move(spec)),
      stdout_(executor, log_fd),
      stderr_(executor, log_fd),
      changed_(executor),
      tasks_(executor) {}

asio::awaitable<void> AgentProcess::start(link::SessionPtr control) {
  control_ = control;
  const link::StreamPtr process = control->open("POST", "/processes");
  co_await process->write(guest::to_json(spec_).dump());
  process->finish();
  const link::Fields answer = co_await process->response();
  const std::string status(link::field(answer, ":status"));
  if (status != "200") {
    std::string why = co_await process->read_all(4096);
    while (!why.empty() && why.back() == '\n') why.pop_back();
    abandon();
    throw Error("the guest could not start " + spec_.argv.front() + ": " + why, {},
                status == "404" ? ExitCode::not_found : ExitCode::cannot_start);
  }
  id_ = std::string(link::field(answer, "process-id"));
  const std::string base = "/processes/" + id_;
  tasks_.spawn(stdout_.pump(control->open("GET", base + "/stdout", {}, true)));
  if (spec_.pty) {
    stderr_.end();
  } else {
    tasks_.spawn(stderr_.pump(control->open("GET", base + "/stderr", {}, true)));
  }
  tasks_.spawn(follow(process));
  changed_.notify();
}

asio::awaitable<void> AgentProcess::follow(link::StreamPtr process) {
  try {
    co_await process->read_all(4096);
    const std::string text(link::field(process->trailers(), "exit-code"));
    exit_code_ = text.empty() ? static_cast<int>(ExitCode::agentvm_failed) : std::atoi(text.c_str());
  } catch (const Error&) {
    // The link was lost: the guest died, which is reported by whoever watches it.
  }
  over_ = true;
  changed_.notify();
}

asio::awaitable<void> AgentProcess::exited() {
  while (!over_) co_await changed_.wait();
}

asio::awaitable<void> AgentProcess::delivered() {
  while (!over_) co_await changed_.wait();
  co_await stdout_.drained();
  co_await stderr_.drained();
}

void AgentProcess::abandon() {
  over_ = true;
  stdout_.end();
  stderr_.end();
  changed_.notify();
}

asio::awaitable<void> AgentProcess::send_signal(int number) {
  const link::SessionPtr control = control_;
  try {
    auto sent = link::request(*control, "POST", "/processes/" + id_ + "/signal",
                              "{\"signal\":" + std::to_string(number) + "}", 4096);
    co_await std::move(sent);
  } catch (const Error&) {
    // Whether the guest answers must not decide when the run ends.
  }
}

asio::awaitable<bool> AgentProcess::terminate(Clock& clock, std::chrono::milliseconds grace,
                                              std::chrono::milliseconds kill_limit) {
  if (!started() || over_) co_return true;
  tasks_.spawn(send_signal(SIGTERM));
  auto polite = ended_within(clock, grace, exited());
  bool ended = co_await std::move(polite);
  if (ended) co_return true;
  tasks_.spawn(send_signal(SIGKILL));
  auto forced = ended_within(clock, kill_limit, exited());
  ended = co_await std::move(forced);
  co_return ended;
}

// GCC 12 does not compile braced lists inside coroutines.
link::Fields AgentProcess::exit_trailer() const {
  return {{"exit-code", std::to_string(exit_code_.value_or(static_cast<int>(ExitCode::agentvm_failed)))}};
}

asio::awaitable<void> AgentProcess::serve_output(link::StreamPtr stream, bool error_stream) {
  stream->respond(200);
  OutputChannel& channel = error_stream ? stderr_ : stdout_;
  OutputChannel::Reader reader(channel);
  co_await channel.send(reader, stream);
  while (!over_) co_await changed_.wait();
  stream->finish(exit_trailer());
  // It counts as a reader until it has received what was sent.
  co_await stream->closed();
}

asio::awaitable<void> AgentProcess::serve_input(link::StreamPtr stream) {
  while (!started() && !over_) co_await changed_.wait();
  if (over_ || spec_.stdin_null || input_taken_) {
    stream->respond(409);
    co_await stream->write(spec_.stdin_null ? "the agent has no stdin\n" : "the agent's stdin is closed or taken\n");
    co_return;
  }
  const std::string path = "/processes/" + id_ + "/stdin";
  if (!spec_.pty) {
    input_taken_ = true;
    co_await link::relay(stream, control_->open("POST", path));
    co_return;
  }
  // The guest takes one stream as stdin. Everybody who is attached to a terminal types into the same one, and it stays
  // open when they leave.
  if (!terminal_input_) terminal_input_ = control_->open("POST", path);
  const link::StreamPtr upstream = terminal_input_;
  try {
    for (;;) {
      std::string bytes = co_await stream->read();
      if (bytes.empty()) break;
      co_await upstream->write(std::move(bytes));
    }
  } catch (const Error&) {
    // Either side left; the agent goes on.
  }
}

asio::awaitable<void> AgentProcess::serve_request(link::StreamPtr stream, const std::string& action) {
  std::string body = co_await stream->read_all(4096);
  if (!started() || over_) {
    stream->respond(409);
    co_await stream->write("the agent is not running\n");
    co_return;
  }
  const link::Answer answer =
      co_await link::request(*control_, "POST", "/processes/" + id_ + "/" + action, std::move(body));
  stream->respond(answer.status);
  if (!answer.body.empty()) co_await stream->write(answer.body);
}

}  // namespace agentvm::supervisor
