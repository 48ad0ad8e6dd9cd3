// services.cpp - what the guest may ask of the host: its ready report, the model, the MCP servers of the profile.
#include <spdlog/spdlog.h>

#include <boost/asio/co_spawn.hpp>
#include <nlohmann/json.hpp>

#include "launcher/gateway/model/key.hpp"
#include "launcher/supervisor/life.hpp"

namespace agentvm::supervisor {

namespace asio = boost::asio;

namespace {
constexpr std::size_t max_commands = 1000;
constexpr std::size_t ready_report_bytes = 4096;
}  // namespace

void Life::start_gateways() {
  links_.serve("/ready", [this](link::StreamPtr stream) -> asio::awaitable<void> {
    const std::string body = co_await stream->read_all(ready_report_bytes);
    if (ready_report_) throw Error("the guest is ready already");
    const auto json = nlohmann::json::parse(body, nullptr, false);
    if (json.is_discarded()) throw Error("the ready report is not JSON");
    ready_report_ = guest::ready_report_from_json(json);
    changed_.notify();
  });
  const gateway::EventSink sink = [this](nlohmann::json event) { gateway_event(std::move(event)); };
  if (spec_.model) {
    model_ = std::make_unique<gateway::ModelGateway>(io_.get_executor(), *spec_.model,
                                                     gateway::read_model_key(*spec_.model), sink);
    links_.serve("/model", [this](link::StreamPtr stream) { return model_->serve(std::move(stream)); });
  }
  for (const auto& server : spec_.mcp) {
    step("mcp", "starting the MCP server " + server.name);
    const gateway::McpSandbox sandbox{spec_.bubblewrap, spec_.uuid, paths_.log("mcp-" + server.name),
                                      sandbox::guest_places(spec_)};
    auto& mcp = *mcp_.emplace_back(std::make_unique<gateway::McpGateway>(io_.get_executor(), server, sandbox, sink));
    links_.serve("/mcp/" + server.name, [&mcp](link::StreamPtr stream) { return mcp.serve(std::move(stream)); });
    asio::co_spawn(io_, prestart(mcp), [this](const std::exception_ptr& error) {
      try {
        if (error) std::rethrow_exception(error);
      } catch (const Error& reason) {
        end("an MCP server did not start", reason);
      } catch (const std::exception& reason) {
        end("an MCP server did not start", Error(reason.what()));
      }
    });
  }
}

asio::awaitable<void> Life::prestart(gateway::McpGateway& mcp) {
  co_await mcp.prestart();
  for (const pid_t pid : mcp.processes()) {
    reaper_.watch(pid);
    record("mcp", pid);
  }
}

void Life::gateway_event(nlohmann::json event) {
  const std::string name = event.value("event", "");
  event.erase("event");
  if (name == "command" && commands_.size() < max_commands) commands_.push_back(event.value("command", ""));
  // Besides the stream of events, each gateway has a journal of its own for `agentvm logs --source`.
  if (name == "mcp-call" || name == "mcp-ended") mcp_journal_.add(name, event);
  if (name == "model-request") model_journal_.add(name, event);
  events_.add(name, std::move(event));
}

}  // namespace agentvm::supervisor
