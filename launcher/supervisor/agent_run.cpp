// agent_run.cpp - talks to the guest about the one process the run is for.
#include "launcher/supervisor/agent_run.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "base/error.hpp"

namespace agentvm::supervisor {

namespace asio = boost::asio;

AgentRun::AgentRun(asio::any_io_executor executor, guest::ProcessSpec spec, int log_fd)
    : executor_(executor),
      spec_(std::move(spec)),
      stdout_(executor, log_fd),
      stderr_(executor, log_fd),
      changed_(executor) {}

asio::awaitable<void> AgentRun::start(link::SessionPtr control) {
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
  asio::co_spawn(executor_, stdout_.pump(control->open("GET", base + "/stdout", {}, true)), asio::detached);
  if (spec_.pty) {
    stderr_.end();
  } else {
    asio::co_spawn(executor_, stderr_.pump(control->open("GET", base + "/stderr", {}, true)), asio::detached);
  }
  asio::co_spawn(executor_, follow(process), asio::detached);
  changed_.notify();
}

asio::awaitable<void> AgentRun::follow(link::StreamPtr process) {
  int code = static_cast<int>(ExitCode::agentvm_failed);
  try {
    co_await process->read_all(4096);
    const std::string text(link::field(process->trailers(), "exit-code"));
    if (!text.empty()) code = std::atoi(text.c_str());
  } catch (const Error&) {
    // The link was lost: the guest died, which the supervisor reports by itself.
  }
  exit_code_ = code;
  changed_.notify();
}

asio::awaitable<int> AgentRun::ended() {
  while (!exit_code_) co_await changed_.wait();
  co_await stdout_.drained();
  co_await stderr_.drained();
  co_return *exit_code_;
}

void AgentRun::abandon() {
  if (!exit_code_) exit_code_ = static_cast<int>(ExitCode::agentvm_failed);
  stdout_.end();
  stderr_.end();
  changed_.notify();
}

asio::awaitable<void> AgentRun::terminate(std::chrono::milliseconds grace) {
  if (!started() || has_ended()) co_return;
  const std::string path = "/processes/" + id_ + "/signal";
  co_await link::request(*control_, "POST", path, R"({"signal":15})");
  const auto deadline = std::chrono::steady_clock::now() + grace;
  while (!has_ended() && std::chrono::steady_clock::now() < deadline) co_await sleep_for(std::chrono::milliseconds(50));
  if (!has_ended()) co_await link::request(*control_, "POST", path, R"({"signal":9})");
}

asio::awaitable<void> AgentRun::serve_output(link::StreamPtr stream, bool error_stream) {
  stream->respond(200);
  OutputChannel& channel = error_stream ? stderr_ : stdout_;
  co_await channel.attach(stream);
  while (!exit_code_) co_await changed_.wait();
  stream->finish({{"exit-code", std::to_string(*exit_code_)}});
}

asio::awaitable<void> AgentRun::serve_input(link::StreamPtr stream) {
  while (!started() && !has_ended()) co_await changed_.wait();
  if (has_ended() || spec_.stdin_null || input_taken_) {
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

asio::awaitable<void> AgentRun::serve_request(link::StreamPtr stream, const std::string& action) {
  std::string body = co_await stream->read_all(4096);
  if (!started() || has_ended()) {
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
