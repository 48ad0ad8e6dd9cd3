// output_channel.cpp - moves an output from the guest to its readers.
#include "launcher/supervisor/output_channel.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "base/file.hpp"

namespace agentvm::supervisor {

namespace asio = boost::asio;

std::uint64_t OutputChannel::slowest() const noexcept {
  std::uint64_t position = total_;
  for (const Reader* reader : readers_) position = std::min(position, reader->position_);
  return position;
}

asio::awaitable<void> OutputChannel::pump(link::StreamPtr source) {
  try {
    for (;;) {
      const std::string bytes = co_await source->read();
      if (bytes.empty()) break;
      while (total_ - slowest() + bytes.size() > std::max(capacity, bytes.size())) co_await changed_.wait();
      if (log_fd_ >= 0 && logged_ < log_limit) {
        logged_ += bytes.size();
        try {
          write_all(log_fd_, bytes, "writing the agent's log");
        } catch (const Error&) {
          logged_ = log_limit;  // a full disk ends the log, not the run
        }
      }
      ring_ += bytes;
      total_ += bytes.size();
      if (ring_.size() > capacity) ring_.erase(0, ring_.size() - std::max(capacity, bytes.size()));
      changed_.notify();
    }
  } catch (const Error&) {
    // The link is gone; the supervisor's own watch says so, here the output just ends.
  }
  end();
}

void OutputChannel::end() {
  ended_ = true;
  changed_.notify();
}

OutputChannel::Reader::Reader(OutputChannel& channel)
    : channel_(channel), position_(channel.total_ - channel.ring_.size()) {
  channel.readers_.insert(this);
}

OutputChannel::Reader::~Reader() {
  channel_.readers_.erase(this);
  channel_.changed_.notify();
}

asio::awaitable<void> OutputChannel::send(Reader& reader, link::StreamPtr stream) {
  for (;;) {
    if (reader.position_ < total_) {
      std::string bytes = ring_.substr(ring_.size() - (total_ - reader.position_));
      const std::size_t size = bytes.size();
      co_await stream->write(std::move(bytes));
      reader.position_ += size;
      changed_.notify();
      continue;
    }
    if (ended_) co_return;
    co_await changed_.wait();
    if (stream->broken()) throw Error("the reader left");
  }
}

asio::awaitable<void> OutputChannel::drained() {
  while (!ended_ || !readers_.empty()) co_await changed_.wait();
}

}  // namespace agentvm::supervisor
