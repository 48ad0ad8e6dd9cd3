// routes.cpp - answers the supervisor's callers, path by path (base/wire/supervisor.hpp).
#include <csignal>
#include <nlohmann/json.hpp>

#include "base/async/race.hpp"

#include "launcher/supervisor/supervisor.hpp"

namespace agentvm::supervisor {

namespace asio = boost::asio;

namespace {

constexpr std::size_t small_body = 4096;

nlohmann::json parse_body(const std::string& body) {
  if (body.empty()) return nlohmann::json::object();
  auto json = nlohmann::json::parse(body, nullptr, false);
  if (!json.is_object()) throw Error("the request's body is not a JSON object");
  return json;
}

asio::awaitable<void> refuse(link::StreamPtr stream, int status, std::string sentence) {
  stream->respond(status);
  co_await stream->write(sentence + "\n");
}

}  // namespace

asio::awaitable<void> Supervisor::answer(link::StreamPtr stream) {
  const std::string path(stream->path());
  if (path == "/status") {
    stream->respond(200);
    co_await stream->write(status().dump());
  } else if (path == "/events") {
    stream->respond(200);
    co_await events_.follow(stream);
  } else if (path == "/own") {
    co_await answer_own(stream);
  } else if (path == "/stop") {
    co_await answer_stop(stream);
  } else if (path == "/agent/start") {
    co_await answer_start(stream);
  } else if (path == "/agent/stdout" || path == "/agent/stderr") {
    co_await run_.agent().serve_output(stream, path == "/agent/stderr");
  } else if (path == "/agent/stdin") {
    co_await run_.agent().serve_input(stream);
  } else if (path == "/agent/resize" || path == "/agent/signal") {
    co_await run_.agent().serve_request(stream, path.substr(std::string("/agent/").size()));
  } else if (path == "/processes" || path.starts_with("/processes/")) {
    co_await answer_processes(stream);
  } else {
    co_await refuse(stream, 404, "no such path: " + path);
  }
}

asio::awaitable<void> Supervisor::until_gone() {
  while (!gone_) co_await changed_.wait();
}

asio::awaitable<void> Supervisor::answer_own(link::StreamPtr stream) {
  owned_ = true;
  stream->respond(200);
  auto left = watch_owner(stream);
  auto gone = until_gone();
  auto first = race(std::move(left), std::move(gone));
  co_await std::move(first);
  // The report is among the events; here its end says that everything is gone.
  co_await until_gone();
}

/// Held open for as long as the owner lives: a reset, or the loss of its connection, is its end. Ending its half says
/// that it leaves the VM alone.
asio::awaitable<void> Supervisor::watch_owner(link::StreamPtr stream) {
  bool left = false;
  try {
    for (;;) {
      const std::string bytes = co_await stream->read();
      if (bytes.empty()) break;
    }
  } catch (const Error&) {
    left = true;
  }
  if (left && !gone_ && !spec_.detached) end({"its caller went away", {}, 128 + SIGHUP});
}

asio::awaitable<void> Supervisor::answer_stop(link::StreamPtr stream) {
  const auto request = parse_body(co_await stream->read_all(small_body));
  const bool force = request.value("force", false);
  const std::int64_t deadline_ms = request.value("deadline_ms", std::int64_t{0});
  if (!stopping() && deadline_ms > 0) asked_deadline_ = std::chrono::milliseconds(deadline_ms);
  force_ = force_ || force;
  std::optional<int> code;
  if (request.contains("exit_code")) code = request.value("exit_code", 0);
  end({"stopped", {}, code});
  changed_.notify();
  co_await until_gone();
  stream->respond(200);
  co_await stream->write(report_text_);
}

asio::awaitable<void> Supervisor::answer_start(link::StreamPtr stream) {
  const auto request = parse_body(co_await stream->read_all(small_body));
  if (!run_.ask_start(request.value("rows", 24U), request.value("columns", 80U))) {
    co_await refuse(stream, 409, "the agent has been started already");
  }
}

asio::awaitable<void> Supervisor::answer_processes(link::StreamPtr stream) {
  if (!ready_ || stopping()) {
    co_await refuse(stream, 503, stopping() ? "the VM is being stopped" : "the VM is still starting");
    co_return;
  }
  const std::string path(stream->path());
  const std::string method(stream->method());
  if (path != "/processes") {
    co_await link::relay(stream, machine_.control()->open(method, path));
    co_return;
  }
  // The caller names what it wants to differ; the rest is as the agent has it.
  auto process = parse_body(co_await stream->read_all(guest::max_document));
  const auto agent = guest::to_json(run_.agent().spec());
  for (const char* key : {"uid", "gid", "cwd"}) {
    if (!process.contains(key)) process[key] = agent.at(key);
  }
  auto environment = agent.at("env");
  if (process.contains("env")) environment.update(process["env"]);
  process["env"] = std::move(environment);
  const link::StreamPtr upstream = machine_.control()->open(method, path);
  co_await upstream->write(process.dump());
  upstream->finish();
  co_await link::relay(stream, upstream);
}

nlohmann::json Supervisor::status() const {
  nlohmann::json processes = nlohmann::json::array();
  for (const auto& process : record_.state().processes)
    processes.push_back({{"role", process.role}, {"pid", process.pid}});
  return {{"name", spec_.name},
          {"uuid", spec_.uuid},
          {"state", stopping() ? "stopping" : record_.state().phase},
          {"started", record_.state().started},
          {"profile", spec_.profile},
          {"workspace", spec_.workspace},
          {"ready_ms", ready_ms_},
          {"agent",
           {{"kind", spec_.agent.kind},
            {"argv", spec_.agent.argv},
            {"pty", spec_.agent.pty},
            {"stdin_null", spec_.agent.stdin_null},
            {"started", run_.agent().started()},
            {"ended", run_.agent().exit_code().has_value()},
            {"exit_code", record_.state().exit_code}}},
          {"processes", std::move(processes)}};
}

}  // namespace agentvm::supervisor
