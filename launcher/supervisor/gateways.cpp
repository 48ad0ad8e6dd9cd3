// gateways.cpp - joins the gateways to a machine's service link and to the run's events.
#include "launcher/supervisor/gateways.hpp"

#include <nlohmann/json.hpp>
#include <utility>

namespace agentvm::supervisor {

namespace asio = boost::asio;

namespace {
constexpr std::size_t max_commands = 1000;
}  // namespace

Gateways::Gateways(asio::any_io_executor executor, const vmspec::VmSpec& spec, const state::VmPaths& paths,
                   EventLog& events)
    : executor_(std::move(executor)),
      spec_(spec),
      paths_(paths),
      events_(events),
      mcp_journal_(paths.journal("mcp")),
      model_journal_(paths.journal("model")) {}

void Gateways::offer(machine::Machine& machine) {
  const gateway::EventSink sink = [this](nlohmann::json event) { take_event(std::move(event)); };
  if (spec_.model) {
    model_ = std::make_unique<gateway::ModelGateway>(executor_, *spec_.model, sink);
    machine.serve("/model", model_->handler());
  }
  for (const vmspec::McpSpec& server : spec_.mcp) {
    gateway::McpSandbox sandbox{spec_.bubblewrap, spec_.uuid, paths_.log("mcp-" + server.name),
                                sandbox::guest_places(spec_)};
    gateway::McpGateway& mcp =
        *mcp_.emplace_back(std::make_unique<gateway::McpGateway>(executor_, server, std::move(sandbox), sink));
    machine.serve("/mcp/" + server.name, [&mcp](link::StreamPtr stream) { return mcp.serve(std::move(stream)); });
  }
}

asio::awaitable<void> Gateways::start_servers(machine::Parts& parts) {
  if (model_) {
    auto reading = model_->prestart();
    co_await std::move(reading);
  }
  for (const auto& mcp : mcp_) {
    auto started = mcp->prestart();
    co_await std::move(started);
    for (const pid_t pid : mcp->processes()) parts.watch("mcp", pid);
  }
}

void Gateways::close() noexcept {
  mcp_.clear();
  model_.reset();
}

void Gateways::take_event(nlohmann::json event) {
  const std::string name = event.value("event", "");
  event.erase("event");
  if (name == "command" && commands_.size() < max_commands) commands_.push_back(event.value("command", ""));
  // Besides the stream of events, each gateway has a journal of its own for `agentvm logs --source`.
  if (name == "mcp-call" || name == "mcp-ended") mcp_journal_.add(event_line(name, event));
  if (name == "model-request") model_journal_.add(event_line(name, event));
  events_.add_of_guest(name, event);
}

}  // namespace agentvm::supervisor
