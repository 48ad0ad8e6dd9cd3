// output_channel.hpp - one output of the agent: kept for late readers, logged, and handed to whoever is attached.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <set>
#include <string>

#include "base/async/event.hpp"
#include "base/link/link.hpp"
#include "base/unique_fd.hpp"

namespace agentvm::supervisor {

/// A ring of the last `capacity` bytes between the guest's stream and its readers. An attached reader loses nothing:
/// the pump waits until the slowest one has room, and so, through the link's flow control, does the agent.
class OutputChannel {
 public:
  static constexpr std::size_t capacity = 256 * 1024;
  static constexpr std::uint64_t log_limit = std::uint64_t{64} << 20;

  /// `log_fd` is borrowed (-1: none) and gets at most log_limit bytes.
  OutputChannel(boost::asio::any_io_executor executor, int log_fd) : log_fd_(log_fd), changed_(std::move(executor)) {}

  /// Reads the guest's stream to its end; a lost link ends it too.
  boost::asio::awaitable<void> pump(link::StreamPtr source);
  /// There is nothing (more) to come.
  void end();
  /// A place among the readers, for as long as it lives: what it has not taken waits for it.
  class Reader {
   public:
    explicit Reader(OutputChannel& channel);
    ~Reader();
    Reader(const Reader&) = delete;
    Reader& operator=(const Reader&) = delete;

   private:
    friend OutputChannel;
    OutputChannel& channel_;
    std::uint64_t position_;
  };
  /// Sends the ring and then what comes, until the end; throws when the reader leaves.
  boost::asio::awaitable<void> send(Reader& reader, link::StreamPtr stream);
  /// Completes when the output has ended and no reader is left.
  boost::asio::awaitable<void> drained();

 private:
  std::uint64_t slowest() const noexcept;

  std::string ring_;  // the last bytes; the newest byte has position total_ - 1
  std::uint64_t total_ = 0;
  std::uint64_t logged_ = 0;
  bool ended_ = false;
  int log_fd_;
  std::set<Reader*> readers_;
  AsyncEvent changed_;
};

}  // namespace agentvm::supervisor
