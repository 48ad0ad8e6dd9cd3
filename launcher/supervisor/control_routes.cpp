// control_routes.cpp - answers the supervisor's callers, path by path (api.hpp).
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <nlohmann/json.hpp>

#include "launcher/supervisor/life.hpp"

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

asio::awaitable<void> Life::answer(link::StreamPtr stream) {
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
    co_await agent_->serve_output(stream, path == "/agent/stderr");
  } else if (path == "/agent/stdin") {
    co_await agent_->serve_input(stream);
  } else if (path == "/agent/resize" || path == "/agent/signal") {
    co_await agent_->serve_request(stream, path.substr(std::string("/agent/").size()));
  } else if (path == "/processes" || path.starts_with("/processes/")) {
    co_await answer_processes(stream);
  } else {
    co_await refuse(stream, 404, "no such path: " + path);
  }
}

asio::awaitable<void> Life::answer_own(link::StreamPtr stream) {
  owned_ = true;
  stream->respond(200);
  // Held open for as long as the owner lives; a read ends only when it goes.
  asio::co_spawn(
      io_,
      [this, stream]() -> asio::awaitable<void> {
        bool left = false;
        try {
          for (;;) {
            const std::string bytes = co_await stream->read();
            if (bytes.empty()) break;
          }
        } catch (const Error&) {
          left = true;
        }
        if (left && !gone_ && !spec_.detached) end("its caller went away");
      },
      asio::detached);
  while (!gone_) co_await changed_.wait();
  co_await stream->write(report_text_);
  stream->finish();
}

asio::awaitable<void> Life::answer_stop(link::StreamPtr stream) {
  const auto request = parse_body(co_await stream->read_all(small_body));
  force_ = force_ || request.value("force", false);
  end("stopped");
  while (!gone_) co_await changed_.wait();
  stream->respond(200);
  co_await stream->write(report_text_);
}

asio::awaitable<void> Life::answer_start(link::StreamPtr stream) {
  const auto request = parse_body(co_await stream->read_all(small_body));
  if (agent_->started()) {
    co_await refuse(stream, 409, "the agent has been started already");
    co_return;
  }
  agent_->spec().rows = request.value("rows", 24U);
  agent_->spec().columns = request.value("columns", 80U);
  agent_start_asked_ = true;
  changed_.notify();
}

asio::awaitable<void> Life::answer_processes(link::StreamPtr stream) {
  if (!ready_ || stopping_) {
    co_await refuse(stream, 503, stopping_ ? "the VM is being stopped" : "the VM is still starting");
    co_return;
  }
  const std::string path(stream->path());
  const std::string method(stream->method());
  if (path != "/processes") {
    co_await link::relay(stream, links_.control()->open(method, path));
    co_return;
  }
  // The caller names what it wants to differ; the rest is as the agent has it.
  auto process = parse_body(co_await stream->read_all(guest::max_document));
  const auto agent = guest::to_json(agent_->spec());
  for (const char* key : {"uid", "gid", "cwd"}) {
    if (!process.contains(key)) process[key] = agent.at(key);
  }
  auto environment = agent.at("env");
  if (process.contains("env")) environment.update(process["env"]);
  process["env"] = std::move(environment);
  const link::StreamPtr upstream = links_.control()->open(method, path);
  co_await upstream->write(process.dump());
  upstream->finish();
  co_await link::relay(stream, upstream);
}

nlohmann::json Life::status() const {
  nlohmann::json processes = nlohmann::json::array();
  for (const auto& process : state_.processes) processes.push_back({{"role", process.role}, {"pid", process.pid}});
  return {{"name", spec_.name},
          {"uuid", spec_.uuid},
          {"state", stopping_ ? "stopping" : state_.phase},
          {"started", state_.started},
          {"profile", spec_.profile},
          {"workspace", spec_.workspace},
          {"ready_ms", ready_ms_},
          {"agent",
           {{"kind", spec_.agent.kind},
            {"argv", spec_.agent.argv},
            {"pty", spec_.agent.pty},
            {"stdin_null", spec_.agent.stdin_null},
            {"started", agent_->started()},
            {"ended", agent_->has_ended()},
            {"exit_code", state_.exit_code}}},
          {"processes", std::move(processes)}};
}

}  // namespace agentvm::supervisor
