// run_process.cpp - a child, its two streams and its end.
#include "launcher/map/run_process.hpp"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/async/readable.hpp"
#include "base/async/task_group.hpp"
#include "base/error.hpp"
#include "base/file.hpp"
#include "base/process.hpp"
#include "base/text.hpp"
#include "launcher/client/json_lines.hpp"
#include "launcher/map/run_events.hpp"

namespace agentvm::batch {

namespace asio = boost::asio;

namespace {

/// How often a run is asked before it is killed.
constexpr int most_interruptions = 3;

struct Pipe {
  UniqueFd read, write;
};

Pipe make_pipe() {
  int fds[2];
  if (pipe2(fds, O_CLOEXEC) < 0) throw system_error(errno, "making a pipe");
  return {UniqueFd(fds[0]), UniqueFd(fds[1])};
}

std::string json_line(const std::string& event, const std::string& key, const nlohmann::json& value) {
  nlohmann::ordered_json line;
  line["event"] = event;
  line[key] = value;
  return printable_json(line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)) + "\n";
}

/// The next bytes; empty at the end.
asio::awaitable<std::string> read_some(asio::posix::stream_descriptor& stream) {
  std::array<char, 65536> buffer;
  const auto [error, size] = co_await stream.async_read_some(asio::buffer(buffer), asio::as_tuple(asio::use_awaitable));
  if (error) co_return std::string();
  co_return std::string(buffer.data(), size);
}

}  // namespace

struct RunProcesses::Running {
  ChildProcess child;
  RunEvents events;
  UniqueFd log;
  int interruptions = 0;

  void keep(const std::string& text) const {
    if (log) write_all(log.get(), text, "writing the log of a task");
  }
};

RunProcesses::RunProcesses(asio::any_io_executor executor, RunProcessOptions options)
    : executor_(std::move(executor)), options_(std::move(options)) {}

RunProcesses::~RunProcesses() = default;

asio::awaitable<void> RunProcesses::read_events(std::shared_ptr<Running> running, int fd) {
  asio::posix::stream_descriptor stream(co_await asio::this_coro::executor, fd);
  commands::LineReader lines;
  for (;;) {
    const std::string bytes = co_await read_some(stream);
    if (bytes.empty()) co_return;
    for (const std::string& line : lines.add(bytes)) {
      running->events.line(line);
      running->keep(line + "\n");
    }
  }
}

asio::awaitable<void> RunProcesses::read_words(std::shared_ptr<Running> running, int fd) {
  asio::posix::stream_descriptor stream(co_await asio::this_coro::executor, fd);
  commands::CharacterCutter cutter;
  for (;;) {
    const std::string bytes = co_await read_some(stream);
    if (bytes.empty()) co_return;
    running->events.words(bytes);
    const std::string text = cutter.add(bytes);
    if (!text.empty()) running->keep(json_line("stderr", "data", text));
  }
}

asio::awaitable<Attempt> RunProcesses::run(const PreparedTask& task, unsigned number) {
  auto running = std::make_shared<Running>();
  Attempt failed;
  try {
    if (options_.logs) {
      const std::string name = task.task.id + ".jsonl";
      running->log = options_.logs.open(name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
      if (!running->log) throw system_error(errno, "opening the log " + options_.logs.path() + "/" + name);
      running->keep(json_line("attempt", "number", number));
    }
    Pipe events = make_pipe();
    Pipe words = make_pipe();
    SpawnOptions options;
    options.program = options_.program;
    options.args = task.words;
    options.stdout_fd = events.write.get();
    options.stderr_fd = words.write.get();
    running->child = spawn(options);
    running_.push_back(running);
    TaskGroup readers(executor_);
    readers.spawn(read_events(running, events.read.release()));
    readers.spawn(read_words(running, words.read.release()));
    events.write.reset();
    words.write.reset();
    co_await readers.finished();
    if (readers.failure()) std::rethrow_exception(readers.failure());
    auto outcome = follow(running);
    co_return co_await std::move(outcome);
  } catch (const Error& error) {
    failed.exit_code = static_cast<int>(error.code());
    failed.ended = "failed";
    failed.error = error.what();
    failed.lost = true;
  }
  co_return failed;
}

asio::awaitable<Attempt> RunProcesses::follow(std::shared_ptr<Running> running) {
  co_await readable(running->child.pidfd());
  const auto status = running->child.wait(std::chrono::milliseconds(0));
  running_.remove_if([](const std::weak_ptr<Running>& one) {
    const auto held = one.lock();
    return !held || !held->child.running();
  });
  co_return running->events.outcome(status.value_or(ExitStatus{0, SIGKILL}));
}

void RunProcesses::interrupt() {
  for (const std::weak_ptr<Running>& one : running_) {
    const auto running = one.lock();
    if (!running || !running->child.running()) continue;
    running->events.interrupt();
    running->child.signal(++running->interruptions <= most_interruptions ? SIGTERM : SIGKILL);
  }
}

}  // namespace agentvm::batch
