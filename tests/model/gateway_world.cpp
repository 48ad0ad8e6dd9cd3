// gateway_world.cpp - the guest's half and the host's half of the gateways in one process, for tests without a VM.
//
// `gateway_world serve CONFIG` listens as agentvm-guest does (a TCP port for the model, a unix socket for named
// services) and answers with the gateways a supervisor has, over the same kind of link, until its stdin ends.
// `gateway_world bridge NAME SOCKET` is what an agent starts as its MCP server.
//
// CONFIG is JSON: {"port":N, "socket":PATH, "events":FILE, "log":FILE, "workspace":DIR, "bubblewrap":PATH,
// "upstream":URL, "key_variable":NAME, "server":[COMMAND...], "codex_config":FILE} and, together or not at all,
// "codex":PROGRAM, "prompt":TEXT, "codex_command":FILE. The agent's config.toml is written to codex_config and its argv
// to codex_command (JSON), as a guest would have them.
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "base/async/task_group.hpp"
#include "base/error.hpp"
#include "base/file.hpp"
#include "base/link/link.hpp"
#include "base/unix_socket.hpp"
#include "guest/bridge.hpp"
#include "guest/services.hpp"
#include "launcher/gateway/mcp/mcp_gateway.hpp"
#include "launcher/gateway/model/model_gateway.hpp"
#include "vmspec/agents/codex_command.hpp"
#include "vmspec/agents/codex_config.hpp"

namespace asio = boost::asio;
using namespace agentvm;
using nlohmann::json;

namespace {

asio::awaitable<void> run(link::SessionPtr session) {
  co_await session->run();
}

asio::awaitable<void> wait_for_stdin(asio::io_context& io) {
  asio::posix::stream_descriptor input(io, fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0));
  char byte = 0;
  co_await input.async_read_some(asio::buffer(&byte, 1), asio::as_tuple(asio::use_awaitable));
  io.stop();
}

asio::awaitable<void> prestart(gateway::McpGateway& mcp) {
  co_await mcp.prestart();
  std::cout << "ready" << std::endl;
}

int serve(const json& config) {
  asio::io_context io{1};
  const UniqueFd journal(
      open(config.at("events").get<std::string>().c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  const auto sink = [&](const json& event) { write_all(journal.get(), event.dump() + "\n"); };

  vmspec::ModelSpec model{
      "scripted", config.at("upstream"), {vmspec::KeySource::Kind::env, config.at("key_variable"), {}}};
  gateway::ModelGateway models(io.get_executor(), model, sink);
  vmspec::McpSpec server;
  server.name = "nixos";
  server.command = config.at("server").get<std::vector<std::string>>();
  server.arguments_deny = {{"nix", {{"action", {"flake-inputs", "store"}}}}};
  server.network = {"*"};
  const gateway::McpSandbox sandbox{config.at("bubblewrap"), "00000000-0000-4000-8000-000000000000", config.at("log"),
                                    sandbox::GuestPlaces({config.at("workspace").get<std::string>()})};
  gateway::McpGateway mcp(io.get_executor(), server, sandbox, sink);

  auto [guest_end, host_end] = socket_pair();
  const auto host = link::Session::create(io.get_executor(), std::move(host_end), link::Role::server, {},
                                          [&](link::StreamPtr stream) -> asio::awaitable<void> {
                                            if (stream->path() == "/model") return models.handler()(std::move(stream));
                                            return mcp.serve(std::move(stream));
                                          });
  const auto guest = link::Session::create(io.get_executor(), std::move(guest_end), link::Role::client);
  // None of them goes on once `io` is left.
  TaskGroup tasks(io.get_executor(), [](const std::exception_ptr& error) { std::rethrow_exception(error); });
  tasks.spawn(run(host));
  tasks.spawn(run(guest));
  guest::Services services(io.get_executor(), guest);
  const auto port = config.at("port").get<std::uint16_t>();
  services.allow({"mcp/nixos", "model"});
  services.serve_socket(config.at("socket"));
  services.serve_model(port);
  const std::string codex_config =
      vmspec::render_codex_config({"scripted", config.at("workspace"), {"nixos"}, port, false});
  write_file_atomic(config.at("codex_config"), codex_config);
  if (config.contains("codex_command")) {
    const vmspec::CodexCommandInput command{
        .program = config.at("codex"), .version = "", .prompt = config.at("prompt"), .config = codex_config};
    write_file_atomic(config.at("codex_command"), json(vmspec::codex_command(command)).dump());
  }

  tasks.spawn(prestart(mcp));
  tasks.spawn(wait_for_stdin(io));
  io.run();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  signal(SIGPIPE, SIG_IGN);
  try {
    const std::string verb = argc > 1 ? argv[1] : "";
    if (verb == "serve" && argc == 3) return serve(json::parse(read_file(argv[2])));
    if (verb == "bridge" && argc == 4) return guest::run_bridge(argv[2], argv[3]);
    std::cerr << "usage: gateway_world serve CONFIG | bridge NAME SOCKET\n";
    return 2;
  } catch (const Error& error) {
    std::cerr << "gateway_world: " << error.what() << "\n" << error.hint() << "\n";
  } catch (const std::exception& error) {
    std::cerr << "gateway_world: " << error.what() << "\n";
  }
  return 125;
}
