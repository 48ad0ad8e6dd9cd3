// mcp_gateway.cpp - see mcp_gateway.hpp. One McpConnection joins a stream of the guest with a server of its own.
//
// Three things run side by side until the first of them ends: the guest's lines to the server, the server's bytes to
// the guest, and the watch for a guest that broke the stream off. Each side's reader waits for its writer, so neither
// can make the other's bytes pile up here.
#include "launcher/gateway/mcp/mcp_gateway.hpp"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "base/async/counted.hpp"
#include "base/async/event.hpp"
#include "base/async/race.hpp"
#include "base/error.hpp"
#include "launcher/gateway/bounded_log.hpp"
#include "launcher/gateway/mcp/mcp_filter.hpp"
#include "launcher/gateway/mcp/mcp_line.hpp"
#include "launcher/gateway/mcp/mcp_reply.hpp"
#include "launcher/gateway/mcp/mcp_server.hpp"

namespace agentvm::gateway {

namespace asio = boost::asio;
using std::chrono::steady_clock;

namespace {

constexpr std::size_t log_bytes = std::size_t{1} << 20;

/// Writes to the guest from two sides: the server's bytes, and whole lines of ours that must not fall into one of the
/// server's lines.
class GuestWriter {
 public:
  GuestWriter(const asio::any_io_executor& executor, link::Stream& guest) : guest_(guest), changed_(executor) {}

  asio::awaitable<void> server_bytes(std::string bytes) {
    while (busy_) co_await changed_.wait();
    const Turn turn(*this);
    mid_line_ = bytes.back() != '\n';
    co_await guest_.write(std::move(bytes));
  }
  asio::awaitable<void> own_line(std::string line) {
    while (busy_ || mid_line_) co_await changed_.wait();
    const Turn turn(*this);
    co_await guest_.write(std::move(line));
  }

 private:
  class Turn {
   public:
    explicit Turn(GuestWriter& writer) : writer_(writer) { writer_.busy_ = true; }
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;
    ~Turn() {
      writer_.busy_ = false;
      writer_.changed_.notify();
    }

   private:
    GuestWriter& writer_;
  };

  link::Stream& guest_;
  AsyncEvent changed_;
  bool busy_ = false;
  bool mid_line_ = false;
};

class McpConnection {
 public:
  McpConnection(asio::any_io_executor executor, const McpFilter& filter, std::string name, const EventSink& events,
                const McpLimits& limits, McpServer& server, link::Stream& guest)
      : filter_(filter),
        name_(std::move(name)),
        events_(events),
        limits_(limits),
        server_(server),
        guest_(guest),
        writer_(executor, guest),
        answered_(executor) {}

  asio::awaitable<void> run();

 private:
  struct Request {
    steady_clock::time_point start;
    bool is_call = false;
    std::string tool, arguments;
  };

  asio::awaitable<void> guest_to_server();
  asio::awaitable<void> server_to_guest();
  asio::awaitable<bool> take_line(LineSplitter::Line line);
  asio::awaitable<void> drain();
  void take_reply(std::string_view line);
  void tell(const Request& request, bool ok, bool refused, const std::string& text) const;

  const McpFilter& filter_;
  std::string name_;
  const EventSink& events_;
  const McpLimits& limits_;
  McpServer& server_;
  link::Stream& guest_;
  GuestWriter writer_;
  AsyncEvent answered_;
  std::map<std::string, Request> outstanding_;  // by id
};

asio::awaitable<void> McpConnection::run() {
  std::exception_ptr failure;
  try {
    co_await race(server_to_guest(), guest_to_server(), guest_.closed());
  } catch (...) {
    failure = std::current_exception();
  }
  server_.kill();
  for (const auto& [id, request] : outstanding_) {
    if (request.is_call) tell(request, false, false, "no answer: the connection ended");
  }
  if (failure) std::rethrow_exception(failure);
  if (!guest_.broken()) guest_.finish();
}

asio::awaitable<void> McpConnection::guest_to_server() {
  LineSplitter lines(limits_.request_line_bytes);
  for (;;) {
    const std::string bytes = co_await guest_.read();
    if (bytes.empty()) break;
    lines.feed(bytes);
    while (auto line = lines.next()) {
      if (!co_await take_line(std::move(*line))) {
        // It is about to end, and its last words are still being read.
        co_await sleep_for(limits_.exit_time);
        co_return;
      }
    }
  }
  if (auto line = lines.rest()) co_await take_line(std::move(*line));
  co_await drain();
}

/// False when the server takes no more.
asio::awaitable<bool> McpConnection::take_line(LineSplitter::Line line) {
  McpVerdict verdict = line.too_long ? filter_.judge_too_long(limits_.request_line_bytes) : filter_.judge(line.text);
  using Action = McpVerdict::Action;
  if (verdict.action == Action::pass && !verdict.id.empty()) {
    if (outstanding_.contains(verdict.id)) {
      verdict = McpFilter::refuse_request(std::move(verdict), "a request with this id is still pending");
    } else if (outstanding_.size() >= limits_.outstanding) {
      verdict = McpFilter::refuse_request(std::move(verdict), "too many requests are without their answers");
    }
  }
  if (verdict.action != Action::pass) {
    if (verdict.is_call)
      tell({steady_clock::now(), true, verdict.tool, verdict.arguments}, false, true, verdict.reason);
    if (verdict.action == Action::refuse) co_await writer_.own_line(std::move(verdict.reply));
    co_return true;
  }
  if (const auto cancelled = outstanding_.find(verdict.cancelled); cancelled != outstanding_.end()) {
    // The server may keep silent from now on.
    if (cancelled->second.is_call) tell(cancelled->second, false, false, "cancelled by the agent");
    outstanding_.erase(cancelled);
    answered_.notify();
  }
  if (!verdict.id.empty()) {
    outstanding_[verdict.id] = {steady_clock::now(), verdict.is_call, std::move(verdict.tool),
                                std::move(verdict.arguments)};
  }
  co_return co_await server_.write(std::move(line.text) + "\n");
}

asio::awaitable<void> McpConnection::drain() {
  const auto all_answered = [this]() -> asio::awaitable<void> {
    while (!outstanding_.empty()) co_await answered_.wait();
  };
  co_await race(all_answered(), sleep_for(limits_.drain_time));
  server_.close_stdin();
  co_await sleep_for(limits_.exit_time);
}

asio::awaitable<void> McpConnection::server_to_guest() {
  LineSplitter lines(limits_.reply_line_bytes);
  for (;;) {
    std::string bytes = co_await server_.read();
    if (bytes.empty()) co_return;
    lines.feed(bytes);
    while (const auto line = lines.next()) {
      if (line->too_long) throw Error("the MCP server " + name_ + " sent a line longer than this gateway passes on");
      take_reply(line->text);
    }
    co_await writer_.server_bytes(std::move(bytes));
  }
}

void McpConnection::take_reply(std::string_view line) {
  if (outstanding_.empty()) return;
  const auto reply = read_mcp_reply(line);
  if (!reply) return;
  const auto request = outstanding_.find(reply->id);
  if (request == outstanding_.end()) return;
  if (request->second.is_call) tell(request->second, !reply->is_error, false, reply->text);
  outstanding_.erase(request);
  answered_.notify();
}

void McpConnection::tell(const Request& request, bool ok, bool refused, const std::string& text) const {
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(steady_clock::now() - request.start).count();
  events_({{"event", "mcp-call"},
           {"server", name_},
           {"tool", request.tool},
           {"arguments", nlohmann::json::parse(request.arguments)},
           {"ok", ok},
           {"refused", refused},
           {"text", text},
           {"ms", ms}});
}

std::map<std::string, std::string> own_environment() {
  std::map<std::string, std::string> environment;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string text = *entry;
    const std::size_t equals = text.find('=');
    if (equals != std::string::npos) environment.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  return environment;
}

}  // namespace

struct McpGateway::State {
  asio::any_io_executor executor;
  vmspec::McpSpec spec;
  McpSandbox sandbox;
  EventSink events;
  McpLimits limits;
  McpFilter filter;
  std::shared_ptr<BoundedLog> log = {};
  std::unique_ptr<McpServer> prestarted = {};
  std::vector<McpServer*> serving = {};
  std::size_t connections = 0;
  bool over = false;

  McpLaunch prepared();
  std::unique_ptr<McpServer> start();
  void tell_end(const McpServer& server) const;
};

McpLaunch McpGateway::State::prepared() {
  if (sandbox.bubblewrap.empty()) {
    throw Error("the MCP server " + spec.name + " needs bubblewrap, which is not on this machine",
                "Install bubblewrap, or take the server out of the profile with [mcp." + spec.name + "] command = [].");
  }
  const auto environment = own_environment();
  const auto home = environment.find("HOME");
  try {
    McpLaunch launch{sandbox.bubblewrap,
                     inspect_sandbox_host(environment),
                     inspect_mcp_install(spec.command, home == environment.end() ? "" : home->second, sandbox.places),
                     {spec.env, spec.network},
                     spec.network.empty() ? std::nullopt : sandbox::proxy_of_host(environment),
                     sandbox.uuid};
    if (!log) log = std::make_shared<BoundedLog>(sandbox.log, log_bytes);
    return launch;
  } catch (const Error& error) {
    throw error.wrap("mcp." + spec.name);
  }
}

std::unique_ptr<McpServer> McpGateway::State::start() {
  const McpLaunch how = prepared();
  return std::make_unique<McpServer>(executor, how, log);
}

void McpGateway::State::tell_end(const McpServer& server) const {
  if (!server.ended()) return;
  events({{"event", "mcp-ended"},
          {"server", spec.name},
          {"code", server.ended()->shell_code()},
          {"words", server.last_words()}});
}

McpGateway::McpGateway(asio::any_io_executor executor, vmspec::McpSpec server, McpSandbox sandbox, EventSink events,
                       McpLimits limits)
    : state_(new State{std::move(executor), server, std::move(sandbox), std::move(events), limits, McpFilter(server)}) {
}

McpGateway::~McpGateway() {
  state_->over = true;
  state_->prestarted.reset();
  for (McpServer* server : state_->serving) server->kill();
}

const std::string& McpGateway::name() const noexcept {
  return state_->spec.name;
}

asio::awaitable<void> McpGateway::prestart() {
  const auto state = state_;
  const McpLaunch launch = state->prepared();
  try {
    co_await try_sandbox(state->executor, launch);
  } catch (const Error& error) {
    throw error.wrap("mcp." + state->spec.name);
  }
  if (!state->over) state->prestarted = state->start();
}

std::vector<pid_t> McpGateway::processes() const {
  std::vector<pid_t> pids;
  if (state_->prestarted) pids.push_back(state_->prestarted->pid());
  for (const McpServer* server : state_->serving) pids.push_back(server->pid());
  std::erase_if(pids, [](pid_t pid) { return pid <= 0; });
  return pids;
}

asio::awaitable<void> McpGateway::serve(link::StreamPtr stream) {
  const auto state = state_;
  const Counted counted(state->connections);
  if (state->over) throw Error("the VM is ending");
  if (state->connections > state->limits.connections) {
    throw Error("mcp/" + state->spec.name + " has " + std::to_string(state->limits.connections) +
                " connections, which is its limit");
  }
  std::unique_ptr<McpServer> server = std::move(state->prestarted);
  if (server && !server->running()) {
    state->tell_end(*server);
    server.reset();
  }
  if (!server) server = state->start();
  state->serving.push_back(server.get());
  struct Served {
    State& state;
    McpServer* server;
    Served(State& owner, McpServer* one) : state(owner), server(one) {}
    Served(const Served&) = delete;
    Served& operator=(const Served&) = delete;
    ~Served() { std::erase(state.serving, server); }
  };
  const Served served(*state, server.get());
  stream->respond(200);
  McpConnection connection(state->executor, state->filter, state->spec.name, state->events, state->limits, *server,
                           *stream);
  co_await connection.run();
  state->tell_end(*server);
}

}  // namespace agentvm::gateway
