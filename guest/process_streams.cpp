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

/// Returns however it ends, so that `||` need not wait for the process when the stream is lost.
asio::awaitable<void> copy_input(Process& process, Process::Descriptor input, link::Stream& stream) {
  try {
    bool line_begun = false;
    for (;;) {
      std::string bytes = co_await stream.read();
      const bool end = bytes.empty();
      if (end && process.terminal) bytes = end_of_input(process.terminal.get(), line_begun);
      line_begun = !end && bytes.back() != '\n' && bytes.back() != '\r';
      const auto [error, written] =
          co_await asio::async_write(input, asio::buffer(bytes), asio::as_tuple(asio::use_awaitable));
      if (end || error) break;
    }
  } catch (const Error&) {
    // The host broke the stream off: the process sees the end of its input.
  }
}

asio::awaitable<void> wait_readable(Process::Descriptor& source) {
  co_await source.async_wait(Process::Descriptor::wait_read, asio::as_tuple(asio::use_awaitable));
}

/// Waits for bytes or the end; false: the process is over and its pipe has been silent for a while.
asio::awaitable<bool> wait_for_output(Process& process, Process::Descriptor& source) {
  if (!process.exited()) {
    co_await (wait_readable(source) || process.wait_exited());
    co_return true;
  }
  const auto first = co_await (wait_readable(source) || sleep_for(idle_after_exit));
  co_return first.index() == 0;
}

/// Marks the output as sent however its sender ends.
class SentMark {
 public:
  SentMark(Process& process, Process::Output& output) noexcept : process_(process), output_(output) {}
  SentMark(const SentMark&) = delete;
  SentMark& operator=(const SentMark&) = delete;
  ~SentMark() {
    output_.ended = true;
    process_.changed.notify();
  }

 private:
  Process& process_;
  Process::Output& output_;
};

}  // namespace

asio::awaitable<void> feed_input(ProcessPtr process, link::StreamPtr stream) {
  Process::Descriptor input = std::move(*process->input);
  process->input.reset();
  co_await (copy_input(*process, std::move(input), *stream) || process->wait_exited());
  stream->finish();
}

asio::awaitable<void> send_output(ProcessPtr process, Process::Output& output, link::StreamPtr stream) {
  output.claimed = true;
  const SentMark mark(*process, output);
  Process::Descriptor source = std::move(*output.source);
  output.source.reset();
  stream->respond(200);
  std::vector<char> buffer(piped_bytes);
  for (;;) {
    const ssize_t got = ::read(source.native_handle(), buffer.data(), buffer.size());
    if (got > 0) {
      co_await stream->write(std::string(buffer.data(), static_cast<std::size_t>(got)));
      continue;
    }
    if (got == 0) break;
    if (errno == EINTR) continue;
    // EIO is how a master says that nobody has the terminal open any more.
    if (errno != EAGAIN) break;
    if (!co_await wait_for_output(*process, source)) break;
  }
  stream->finish();
}

}  // namespace agentvm::guest
