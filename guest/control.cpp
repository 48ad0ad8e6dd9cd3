// control.cpp - the routes of the control link.
#include "guest/control.hpp"

#include <sys/types.h>

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <charconv>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "base/error.hpp"
#include "guest/connect.hpp"
#include "guest/process_streams.hpp"
#include "guest/pty.hpp"
#include "guest/setup.hpp"

namespace agentvm::guest {

namespace asio = boost::asio;
using namespace asio::experimental::awaitable_operators;
using link::StreamPtr;
using nlohmann::json;

namespace {

constexpr std::size_t max_small_document = 4096;
/// SIGRTMAX of Linux.
constexpr std::int64_t largest_signal = 64;

/// A request that is refused with a status of HTTP and a sentence.
class Refusal : public std::runtime_error {
 public:
  Refusal(int status, const std::string& sentence) : std::runtime_error(sentence), status_(status) {}
  int status() const noexcept { return status_; }

 private:
  int status_;
};

asio::awaitable<void> answer(StreamPtr stream, int status, std::string body) {
  stream->respond(status);
  if (!body.empty()) co_await stream->write(std::move(body));
  stream->finish();
}

asio::awaitable<json> read_document(StreamPtr stream, std::size_t limit) {
  const std::string text = co_await stream->read_all(limit);
  json document = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (document.is_discarded()) throw Refusal(400, std::string(stream->path()) + ": the body is not JSON");
  co_return document;
}

std::int64_t integer(const json& document, const char* name, std::int64_t least, std::int64_t most) {
  const auto found = document.is_object() ? document.find(name) : document.end();
  const bool valid = document.is_object() && found != document.end() && found->is_number_integer();
  if (!valid || found->get<std::int64_t>() < least || found->get<std::int64_t>() > most) {
    throw Refusal(400, std::string("\"") + name + "\" must be an integer from " + std::to_string(least) + " to " +
                           std::to_string(most));
  }
  return found->get<std::int64_t>();
}

int status_of(const Error& error) {
  switch (error.code()) {
    case ExitCode::not_found:
      return 404;
    case ExitCode::cannot_start:
      return 403;
    case ExitCode::success:
    case ExitCode::usage:
    case ExitCode::timeout:
    case ExitCode::agentvm_failed:
      break;
  }
  return 503;
}

/// "/processes/N/VERB", taken apart.
struct ProcessPath {
  std::uint32_t id;
  std::string_view verb;
};

std::optional<ProcessPath> parse_process_path(std::string_view path) {
  constexpr std::string_view prefix = "/processes/";
  if (!path.starts_with(prefix)) return std::nullopt;
  path.remove_prefix(prefix.size());
  ProcessPath result{};
  const auto [end, error] = std::from_chars(path.data(), path.data() + path.size(), result.id);
  if (error != std::errc{}) return std::nullopt;
  path.remove_prefix(static_cast<std::size_t>(end - path.data()));
  if (!path.starts_with('/')) return std::nullopt;
  result.verb = path.substr(1);
  return result;
}

/// The port of "/connect/PORT"; 0: it is something else.
std::uint16_t parse_connect_path(std::string_view path) {
  constexpr std::string_view prefix = "/connect/";
  if (!path.starts_with(prefix)) return 0;
  path.remove_prefix(prefix.size());
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(path.data(), path.data() + path.size(), port);
  return error == std::errc{} && end == path.data() + path.size() ? port : std::uint16_t{0};
}

// GCC 12 does not compile braced lists inside coroutines, so what needs them stands here.

std::string health() {
  return json{{"uptime_ms", uptime_ms()}}.dump();
}

link::Fields started_fields(const Process& process) {
  return {{"process-id", std::to_string(process.id)}};
}

link::Fields trailers_of(const ExitStatus& status) {
  link::Fields trailers{{"exit-code", std::to_string(status.shell_code())}};
  if (status.signal != 0) trailers.emplace_back("term-signal", std::to_string(status.signal));
  return trailers;
}

class Control : public std::enable_shared_from_this<Control> {
 public:
  Control(std::shared_ptr<ProcessTable> processes, ControlActions actions)
      : processes_(std::move(processes)), actions_(std::move(actions)) {}

  asio::awaitable<void> handle(StreamPtr stream) {
    const auto keep = shared_from_this();
    std::optional<Refusal> refusal;
    try {
      co_await route(stream);
    } catch (const Refusal& refused) {
      refusal = refused;
    }
    if (refusal && !stream->responded()) co_await answer(stream, refusal->status(), refusal->what());
  }

 private:
  asio::awaitable<void> route(StreamPtr stream) {
    const std::string_view path = stream->path();
    const bool post = stream->method() == "POST";
    if (post && path == "/setup") {
      co_await set_up(stream);
    } else if (post && path == "/processes") {
      co_await run(stream);
    } else if (post && path == "/shutdown") {
      co_await answer(stream, 200, {});
      actions_.shutdown();
    } else if (!post && path == "/health") {
      co_await answer(stream, 200, health());
    } else if (const std::uint16_t port = parse_connect_path(path); post && port != 0) {
      co_await connect_port(stream, port);
    } else if (const auto parts = parse_process_path(path)) {
      const ProcessPtr process = processes_->find(parts->id);
      if (!process) throw Refusal(404, "there is no process " + std::to_string(parts->id));
      co_await route_process(stream, process, parts->verb, post);
    } else {
      throw Refusal(404, std::string(stream->method()) + " " + std::string(path) + " is not something a guest does");
    }
  }

  asio::awaitable<void> route_process(StreamPtr stream, ProcessPtr process, std::string_view verb, bool post) {
    if (post && verb == "stdin") {
      co_await stdin_of(stream, process);
    } else if (!post && verb == "stdout") {
      co_await output_of(stream, process, process->out);
    } else if (!post && verb == "stderr") {
      co_await output_of(stream, process, process->err);
    } else if (post && verb == "resize") {
      co_await resize(stream, process);
    } else if (post && verb == "signal") {
      const json document = co_await read_document(stream, max_small_document);
      process->signal(static_cast<int>(integer(document, "signal", 1, largest_signal)));
      co_await answer(stream, 200, {});
    } else {
      throw Refusal(
          404, std::string(stream->method()) + " " + std::string(stream->path()) + " is not something a guest does");
    }
  }

  asio::awaitable<void> set_up(StreamPtr stream) {
    const json document = co_await read_document(stream, max_document);
    GuestSetup setup;
    try {
      setup = guest_setup_from_json(document);
    } catch (const Error& error) {
      throw Refusal(400, error.what());
    }
    std::string reply;
    try {
      reply = to_json(actions_.setup(setup)).dump();
    } catch (const Error& error) {
      throw Refusal(500, error.what());
    }
    co_await answer(stream, 200, std::move(reply));
  }

  asio::awaitable<void> run(StreamPtr stream) {
    const json document = co_await read_document(stream, max_document);
    ProcessSpec spec;
    try {
      spec = process_spec_from_json(document);
    } catch (const Error& error) {
      throw Refusal(400, error.what());
    }
    ProcessPtr process;
    try {
      process = co_await processes_->start(std::move(spec));
    } catch (const Error& error) {
      throw Refusal(status_of(error), error.what());
    }
    stream->respond(200, started_fields(*process));
    co_await (process->wait_exited() || stream->closed());
    if (!process->exited()) {
      co_await process->kill();
      co_return;
    }
    stream->finish(trailers_of(*process->status));
  }

  static asio::awaitable<void> stdin_of(StreamPtr stream, ProcessPtr process) {
    if (!process->input) {
      throw Refusal(409, "process " + std::to_string(process->id) + " has no stdin, or it is being written already");
    }
    co_await feed_input(process, stream);
  }

  static asio::awaitable<void> output_of(StreamPtr stream, ProcessPtr process, Process::Output& output) {
    if (!output.source) {
      if (output.claimed)
        throw Refusal(409, "this output of process " + std::to_string(process->id) + " is being read");
      output.claimed = true;
      co_await answer(stream, 200, {});  // a PTY's stderr, or nobody asked in time
      co_return;
    }
    co_await send_output(process, output, stream);
  }

  static asio::awaitable<void> resize(StreamPtr stream, ProcessPtr process) {
    const json document = co_await read_document(stream, max_small_document);
    const auto rows = static_cast<unsigned>(integer(document, "rows", 1, 65535));
    const auto columns = static_cast<unsigned>(integer(document, "columns", 1, 65535));
    if (!process->terminal) throw Refusal(409, "process " + std::to_string(process->id) + " has no terminal");
    resize_pty(process->terminal.get(), rows, columns);
    co_await answer(stream, 200, {});
  }

  std::shared_ptr<ProcessTable> processes_;
  ControlActions actions_;
};

}  // namespace

link::Handler control_handler(std::shared_ptr<ProcessTable> processes, ControlActions actions) {
  const auto control = std::make_shared<Control>(std::move(processes), std::move(actions));
  return [control](StreamPtr stream) { return control->handle(std::move(stream)); };
}

}  // namespace agentvm::guest
