// console_log.cpp - the FIFO behind a guest's console.
#include "launcher/hypervisor/console_log.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <cerrno>
#include <string_view>
#include <utility>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/unique_fd.hpp"

namespace agentvm::hypervisor {

struct ConsoleLog::State : std::enable_shared_from_this<ConsoleLog::State> {
  State(const boost::asio::any_io_executor& executor, UniqueFd fifo, UniqueFd file, std::size_t limit)
      : input(executor, fifo.release()), output(std::move(file)), left(limit) {}

  boost::asio::posix::stream_descriptor input;
  UniqueFd output;
  std::size_t left;
  std::array<char, 16384> buffer{};

  void write(std::string_view bytes) noexcept {
    if (left == 0) return;
    const std::string_view kept = bytes.substr(0, left);
    left -= kept.size();
    try {
      write_all(output.get(), kept, "writing the console's log");
      if (left == 0) write_all(output.get(), "\n[agentvm: the console's log is full; the rest is dropped]\n");
    } catch (const Error&) {
      left = 0;  // a full disk costs the log, not the VM
    }
  }

  void listen() {
    input.async_read_some(boost::asio::buffer(buffer),
                          [self = shared_from_this()](const boost::system::error_code& error, std::size_t got) {
                            if (error) return;
                            self->write({self->buffer.data(), got});
                            self->listen();
                          });
  }
};

ConsoleLog::ConsoleLog(const boost::asio::any_io_executor& executor, std::string fifo, const std::string& log,
                       std::size_t limit)
    : fifo_(std::move(fifo)) {
  UniqueFd file(open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file) throw system_error(errno, "opening the console's log " + log);
  if (mkfifo(fifo_.c_str(), 0600) < 0) throw system_error(errno, "making the FIFO " + fifo_);
  // Read-write, so that the read end never sees the end of file before QEMU has opened it (fifo(7)).
  UniqueFd input(open(fifo_.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC));
  if (!input) {
    const int reason = errno;
    unlink(fifo_.c_str());
    throw system_error(reason, "opening the FIFO " + fifo_);
  }
  state_ = std::make_shared<State>(executor, std::move(input), std::move(file), limit);
  state_->listen();
}

ConsoleLog::~ConsoleLog() {
  boost::system::error_code ignored;
  state_->input.cancel(ignored);
  // At most what a pipe holds: whoever still writes must not keep us here.
  for (int round = 0; round < 4; ++round) {
    std::array<char, 16384> rest{};
    const ssize_t got = read(state_->input.native_handle(), rest.data(), rest.size());
    if (got <= 0) break;
    state_->write({rest.data(), static_cast<std::size_t>(got)});
  }
  state_->input.close(ignored);
  unlink(fifo_.c_str());
}

bool console_shows_panic(const std::string& log) noexcept {
  const UniqueFd file(open(log.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return false;
  std::array<char, 16384> tail{};
  const off_t size = lseek(file.get(), 0, SEEK_END);
  const off_t from = std::max<off_t>(0, size - static_cast<off_t>(tail.size()));
  const ssize_t got = pread(file.get(), tail.data(), tail.size(), from);
  return got > 0 && std::string_view(tail.data(), static_cast<std::size_t>(got)).find("Kernel panic - not syncing") !=
                        std::string_view::npos;
}

}  // namespace agentvm::hypervisor
