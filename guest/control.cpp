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

/// "/processes/N/VERB" or "/processes/N/VERB?from=OFFSET", taken apart; the verb of "/processes/N" is empty.
struct ProcessPath {
  std::uint32_t id;
  std::string_view verb;
  std::optional<std::uint64_t> from;
};

std::optional<ProcessPath> parse_process_path(std::string_view path) {
  constexpr std::string_view prefix = "/processes/";
  if (!path.starts_with(prefix)) return std::nullopt;
  path.remove_prefix(prefix.size());
  ProcessPath result{};
  const auto [end, error] = std::from_chars(path.data(), path.data() + path.size(), result.id);
  if (error != std::errc{}) return std::nullopt;
  path.remove_prefix(static_cast<std::size_t>(end - path.data()));
  if (path.empty()) return result;
  if (!path.starts_with('/')) return std::nullopt;
  result.verb = path.substr(1);
  constexpr std::string_view query = "?from=";
  const std::size_t found = result.verb.find(query);
  if (found != std::string_view::npos) {
    const std::string_view number = result.verb.substr(found + query.size());
    std::uint64_t from = 0;
    const auto [stop, failed] = std::from_chars(number.data(), number.data() + number.size(), from);
    if (failed != std::errc{} || stop != number.data() + number.size()) return std::nullopt;
    result.from = from;
    result.verb = result.verb.substr(0, found);
  }
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

// GCC 12 does not compile braced lists inside coroutines.

std::string health() {
  return json{{"uptime_ms", uptime_ms()}}.dump();
}

class Control : public std::enable_shared_from_this<Control> {
 public:
  Control(std::shared_ptr<ProcessTable> processes, ControlActions actions, std::shared_ptr<HostLink> link)
      : processes_(std::move(processes)), actions_(std::move(actions)), link_(std::move(link)) {}

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
    } else if (post && path == "/links/drop" && actions_.drop) {
      co_await drop(stream);
    } else if (!post && path == "/health") {
      co_await answer(stream, 200, health());
    } else if (const std::uint16_t port = parse_connect_path(path); post && port != 0) {
      co_await connect_port(stream, port);
    } else if (const auto parts = parse_process_path(path)) {
      const ProcessPtr process = processes_->find(parts->id);
      if (!process) throw Refusal(404, "there is no process " + std::to_string(parts->id));
      co_await route_process(stream, process, *parts, post);
    } else {
      throw Refusal(404, std::string(stream->method()) + " " + std::string(path) + " is not something a guest does");
    }
  }

  asio::awaitable<void> route_process(StreamPtr stream, ProcessPtr process, ProcessPath path, bool post) {
    const std::string_view verb = path.verb;
    if (!post && verb.empty()) {
      co_await answer(stream, 200, to_json(process->state()).dump());
    } else if (post && verb == "attach") {
      co_await attach(stream, process);
    } else if (post && verb == "stdin") {
      co_await stdin_of(stream, process);
    } else if (!post && verb == "stdout") {
      co_await output_of(stream, process, process->out, path.from);
    } else if (!post && verb == "stderr") {
      co_await output_of(stream, process, process->err, path.from);
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
    if (link_->dropping()) throw Refusal(503, "the host is dropping its links");
    ProcessPtr process;
    try {
      process = co_await processes_->start(std::move(spec));
    } catch (const Error& error) {
      throw Refusal(status_of(error), error.what());
    }
    if (stream->broken()) {
      // Nobody will ever hear of it.
      process->end.given_up = true;
      co_await process->kill();
      co_return;
    }
    co_await send_end(process, stream, link_);
  }

  /// Waits until what holds a stream of the process is gone with its link; one whose link stands is in the way.
  template <typename Held>
  static asio::awaitable<void> wait_free(ProcessPtr process, const Held& held, std::string sentence) {
    while (held.stream) {
      if (!held.link->lost()) throw Refusal(409, sentence);
      co_await process->changed.wait();
    }
  }

  asio::awaitable<void> attach(StreamPtr stream, ProcessPtr process) {
    auto free =
        wait_free(process, process->end, "the end of process " + std::to_string(process->id) + " is waited for");
    co_await std::move(free);
    co_await send_end(process, stream, link_);
  }

  asio::awaitable<void> stdin_of(StreamPtr stream, ProcessPtr process) {
    const std::string taken =
        "process " + std::to_string(process->id) + " has no stdin, or it is being written already";
    auto free = wait_free(process, process->input, taken);
    co_await std::move(free);
    if (!process->input.sink) throw Refusal(409, taken);
    co_await feed_input(process, stream, link_);
  }

  asio::awaitable<void> output_of(StreamPtr stream, ProcessPtr process, Process::Output& output,
                                  std::optional<std::uint64_t> from) {
    const std::string taken = "this output of process " + std::to_string(process->id) + " is being read";
    if (!from && output.claimed) throw Refusal(409, taken);
    auto free = wait_free(process, output, taken);
    co_await std::move(free);
    const StreamRange range = output.range();
    const std::uint64_t offset = from.value_or(range.from);
    if (offset < range.from || offset > range.to) {
      throw Refusal(416, "offset " + std::to_string(offset) + " is not between " + std::to_string(range.from) +
                             " and " + std::to_string(range.to));
    }
    co_await send_output(process, output, stream, link_, offset);
  }

  /// What is under way is answered first, so that the host knows every process by its number.
  asio::awaitable<void> drop(StreamPtr stream) {
    link_->begin_drop();
    co_await processes_->starts_settled();
    co_await answer(stream, 200, {});
    co_await stream->closed();
    actions_.drop();
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
  std::shared_ptr<HostLink> link_;
};

}  // namespace

link::Handler control_handler(std::shared_ptr<ProcessTable> processes, ControlActions actions,
                              std::shared_ptr<HostLink> link) {
  processes->set_link(link);
  const auto control = std::make_shared<Control>(std::move(processes), std::move(actions), std::move(link));
  return [control](StreamPtr stream) { return control->handle(std::move(stream)); };
}

}  // namespace agentvm::guest
