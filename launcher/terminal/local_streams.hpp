// local_streams.hpp - stdin, stdout and stderr for coroutines, whatever they are: terminals, pipes, files.
//
// Readiness does not work for regular files (epoll refuses them), and O_NONBLOCK would change the descriptor for every
// other process that has it. So each stream has a thread that blocks in poll(2) and then reads or writes no more than
// cannot block; a few chunks wait between it and the coroutines, and that is the whole of back-pressure.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <memory>
#include <string>

namespace agentvm::commands {

/// Reads a descriptor it does not own. All members are for the executor's one thread.
class LocalInput {
 public:
  LocalInput(boost::asio::any_io_executor executor, int fd);
  LocalInput(const LocalInput&) = delete;
  LocalInput& operator=(const LocalInput&) = delete;
  ~LocalInput();

  /// The next bytes; empty at the end, on an error and after stop().
  boost::asio::awaitable<std::string> read();
  /// Reads no more.
  void stop() noexcept;

 private:
  struct Shared;
  std::shared_ptr<Shared> shared_;
};

/// Writes to a descriptor it does not own.
class LocalOutput {
 public:
  LocalOutput(boost::asio::any_io_executor executor, int fd);
  LocalOutput(const LocalOutput&) = delete;
  LocalOutput& operator=(const LocalOutput&) = delete;
  ~LocalOutput();

  /// Returns when there is room for more; false when the reader is gone (EPIPE) or the disk is full.
  boost::asio::awaitable<bool> write(std::string bytes);
  /// Returns when all is written, or cannot be (false).
  boost::asio::awaitable<bool> flush();
  /// errno of the write that failed; 0: none has.
  int error() const noexcept;

 private:
  struct Shared;
  std::shared_ptr<Shared> shared_;
};

}  // namespace agentvm::commands
