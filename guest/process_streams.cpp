// process_streams.cpp - a process's stdin, stdout and stderr as streams of the link.
#include "guest/process_streams.hpp"

#include <unistd.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/write.hpp>
#include <cerrno>
#include <string>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "guest/pty.hpp"

namespace agentvm::guest {

namespace asio = boost::asio;
using namespace asio::experimental::awaitable_operators;

namespace {

/// A pipe's capacity by default (pipe(7)).
constexpr std::size_t piped_bytes = 64 * 1024;

link::Fields trailers_of(const ExitStatus& status) {
  link::Fields trailers{{"exit-code", std::to_string(status.shell_code())}};
  if (status.signal != 0) trailers.emplace_back("term-signal", std::to_string(status.signal));
  return trailers;
}

// GCC 12 does not compile braced lists inside coroutines.
link::Fields started_fields(const Process& process) {
  return {{"process-id", std::to_string(process.id)}};
}

/// Returns however it ends, so that `||` need not wait for the process when the stream is lost; false: the next stream
/// goes on. What came on a link that is lost by now is not taken: the host counts what was, and sends the rest again.
asio::awaitable<bool> copy_input(Process& process, link::Stream& stream, HostLink& link) {
  Process::Input& input = process.input;
  try {
    while (!link.lost()) {
      std::string bytes = co_await stream.read();
      if (link.lost()) break;
      const bool end = bytes.empty();
      input.taken += bytes.size();
      if (end && process.terminal) bytes = end_of_input(process.terminal.get(), input.line_begun);
      input.line_begun = !end && bytes.back() != '\n' && bytes.back() != '\r';
      const auto [error, written] =
          co_await asio::async_write(*input.sink, asio::buffer(bytes), asio::as_tuple(asio::use_awaitable));
      if (end || error) co_return true;
    }
  } catch (const Error&) {
    // The host broke the stream off: the process sees the end of its input.
  }
  co_return !link.lost();
}

asio::awaitable<void> wait_readable(Process::Descriptor& source) {
  co_await source.async_wait(Process::Descriptor::wait_read, asio::as_tuple(asio::use_awaitable));
}

/// Waits for bytes, for the end, or for the stream's end; false: the process is over and its pipe has been silent for a
/// while.
asio::awaitable<bool> wait_for_output(Process& process, Process::Descriptor& source, link::Stream& stream) {
  if (!process.exited()) {
    co_await (wait_readable(source) || process.wait_exited() || stream.closed());
    co_return true;
  }
  const auto first = co_await (wait_readable(source) || sleep_for(idle_after_exit) || stream.closed());
  co_return first.index() != 1;
}

/// Reads once, if there is something; true: the pipe has ended.
bool read_source(Process::Output& output, std::vector<char>& buffer) {
  for (;;) {
    const ssize_t got = ::read(output.source->native_handle(), buffer.data(), buffer.size());
    if (got > 0) {
      output.append(buffer.data(), static_cast<std::size_t>(got));
      return false;
    }
    if (got < 0 && errno == EINTR) continue;
    // EIO is how a master says that nobody has the terminal open any more.
    return got == 0 || errno != EAGAIN;
  }
}

/// Holds a delivery for a stream for as long as it lives.
class Hold {
 public:
  Hold(Process& process, Delivery& delivery, const link::StreamPtr& stream, std::shared_ptr<HostLink> link)
      : process_(process), delivery_(delivery) {
    delivery.claimed = true;
    delivery.stream = stream;
    delivery.link = std::move(link);
  }
  Hold(const Hold&) = delete;
  Hold& operator=(const Hold&) = delete;
  ~Hold() {
    delivery_.stream.reset();
    delivery_.link.reset();
    process_.changed.notify();
  }
  /// Everything was said, and the stream is closed.
  void mark_sent() { delivery_.sent_on = delivery_.link; }

 private:
  Process& process_;
  Delivery& delivery_;
};

/// Until the output's end was handed over (true), or the link is lost; throws when the stream is broken.
asio::awaitable<bool> copy_output(Process& process, Process::Output& output, link::Stream& stream, HostLink& link,
                                  std::uint64_t offset) {
  std::vector<char> buffer(piped_bytes);
  for (;;) {
    if (link.lost()) co_return false;
    if (offset < output.end()) {
      std::string bytes = output.slice(offset, piped_bytes);
      offset += bytes.size();
      co_await stream.write(std::move(bytes));
      output.forget(offset);
      continue;
    }
    if (!output.source) break;
    const std::uint64_t before = output.end();
    if (read_source(output, buffer)) {
      output.source.reset();
    } else if (output.end() == before) {
      auto more = wait_for_output(process, *output.source, stream);
      if (!co_await std::move(more)) output.source.reset();
      if (stream.broken()) throw Error("the host has closed the stream");
    }
  }
  stream.finish();
  co_await stream.closed();
  co_return true;
}

}  // namespace

asio::awaitable<void> feed_input(ProcessPtr process, link::StreamPtr stream, std::shared_ptr<HostLink> link) {
  process->input.stream = stream;
  process->input.link = link;
  auto copied = copy_input(*process, *stream, *link);
  auto exited = process->wait_exited();
  const auto first = co_await (std::move(copied) || std::move(exited));
  if (first.index() == 1 || std::get<0>(first)) process->input.sink.reset();
  process->input.stream.reset();
  process->input.link.reset();
  process->changed.notify();
  // A stream that goes with its link must not look finished to the host before.
  if (link->lost()) co_await stream->closed();
  stream->finish();
}

asio::awaitable<void> send_output(ProcessPtr process, Process::Output& output, link::StreamPtr stream,
                                  std::shared_ptr<HostLink> link, std::uint64_t offset) {
  {
    Hold hold(*process, output, stream, link);
    stream->respond(200);
    try {
      auto copied = copy_output(*process, output, *stream, *link, offset);
      const bool whole = co_await std::move(copied);
      if (whole && !link->lost()) hold.mark_sent();
    } catch (const Error&) {
      if (!link->lost()) output.give_up();
    }
  }
  if (link->lost()) co_await stream->closed();
}

asio::awaitable<void> send_end(ProcessPtr process, link::StreamPtr stream, std::shared_ptr<HostLink> link) {
  Hold hold(*process, process->end, stream, link);
  stream->respond(200, started_fields(*process));
  auto exited = process->wait_exited();
  auto closed = stream->closed();
  co_await (std::move(exited) || std::move(closed));
  if (!process->exited()) {
    if (link->lost()) co_return;
    process->end.given_up = true;
    auto killed = process->kill();
    co_await std::move(killed);
    co_return;
  }
  stream->finish(trailers_of(*process->status));
  auto said = stream->closed();
  co_await std::move(said);
  if (!link->lost()) hold.mark_sent();
}

}  // namespace agentvm::guest
