// local_streams.cpp - one thread per local stream.
#include "launcher/terminal/local_streams.hpp"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "base/async/event.hpp"
#include "base/error.hpp"
#include "base/unique_fd.hpp"

namespace agentvm::commands {

namespace asio = boost::asio;

namespace {

constexpr std::size_t chunk_bytes = std::size_t{128} << 10;
constexpr std::size_t most_chunks = 4;
/// What a pipe that poll(2) calls writable takes without blocking: PIPE_BUF (pipe(7)).
constexpr std::size_t safe_write = 4096;

/// A thread in which no handler of ours runs, and an eventfd that ends its waiting.
class StoppableThread {
 public:
  StoppableThread() : stop_(eventfd(0, EFD_CLOEXEC)) {
    if (!stop_) throw system_error(errno, "making an eventfd");
  }

  template <typename Body>
  void start(Body body) {
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    thread_ = std::thread(std::move(body));
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }

  /// Until the descriptor is ready; false when the thread shall end.
  bool wait(int fd, short events) const noexcept {
    for (;;) {
      pollfd items[2] = {{fd, events, 0}, {stop_.get(), POLLIN, 0}};
      if (poll(items, 2, -1) < 0) {
        if (errno == EINTR) continue;
        return false;
      }
      if (items[1].revents != 0) return false;
      if (items[0].revents != 0) return true;
    }
  }

  void wake() const noexcept {
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = ::write(stop_.get(), &one, sizeof one);
  }
  void join() noexcept {
    if (thread_.joinable()) thread_.join();
  }

 private:
  UniqueFd stop_;
  std::thread thread_;
};

}  // namespace

struct LocalInput::Shared {
  Shared(const asio::any_io_executor& executor_in, int fd_in)
      : executor(executor_in), fd(fd_in), arrived(executor_in) {}

  asio::any_io_executor executor;
  int fd;
  AsyncEvent arrived;  // the executor's thread only
  std::mutex mutex;
  std::condition_variable room;
  std::deque<std::string> chunks;
  bool ended = false;
  bool stopping = false;
  StoppableThread thread;

  void add(const std::shared_ptr<Shared>& self, std::string bytes) {
    {
      std::unique_lock lock(mutex);
      room.wait(lock, [this] { return chunks.size() < most_chunks || stopping; });
      if (bytes.empty()) {
        ended = true;
      } else {
        chunks.push_back(std::move(bytes));
      }
    }
    asio::post(executor, [self] { self->arrived.notify(); });
  }

  void work(const std::shared_ptr<Shared>& self) {
    std::string buffer(chunk_bytes, '\0');
    while (thread.wait(fd, POLLIN)) {
      const ssize_t got = ::read(fd, buffer.data(), buffer.size());
      if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
      if (got <= 0) break;
      add(self, buffer.substr(0, static_cast<std::size_t>(got)));
    }
    add(self, {});
  }
};

LocalInput::LocalInput(asio::any_io_executor executor, int fd)
    : shared_(std::make_shared<Shared>(std::move(executor), fd)) {
  shared_->thread.start([shared = shared_.get(), weak = std::weak_ptr<Shared>(shared_)] {
    if (const auto self = weak.lock()) shared->work(self);
  });
}

LocalInput::~LocalInput() {
  stop();
  shared_->thread.join();
}

void LocalInput::stop() noexcept {
  {
    const std::lock_guard lock(shared_->mutex);
    shared_->stopping = true;
  }
  shared_->room.notify_all();
  shared_->thread.wake();
}

asio::awaitable<std::string> LocalInput::read() {
  const auto shared = shared_;
  for (;;) {
    {
      std::unique_lock lock(shared->mutex);
      if (shared->stopping) co_return std::string();
      if (!shared->chunks.empty()) {
        std::string bytes = std::move(shared->chunks.front());
        shared->chunks.pop_front();
        lock.unlock();
        shared->room.notify_one();
        co_return bytes;
      }
      if (shared->ended) co_return std::string();
    }
    co_await shared->arrived.wait();
  }
}

struct LocalOutput::Shared {
  Shared(const asio::any_io_executor& executor_in, int fd_in) : executor(executor_in), fd(fd_in), moved(executor_in) {
    struct stat info {};
    regular = fstat(fd, &info) == 0 && S_ISREG(info.st_mode);
  }

  asio::any_io_executor executor;
  int fd;
  bool regular = false;
  AsyncEvent moved;  // the executor's thread only
  std::mutex mutex;
  std::condition_variable work_there;
  std::deque<std::string> chunks;
  bool writing = false;
  bool stopping = false;
  int error = 0;
  StoppableThread thread;

  /// errno, 0 when all was written; -1 when the thread shall end.
  int write_chunk(std::string_view bytes) {
    while (!bytes.empty()) {
      if (!thread.wait(fd, POLLOUT)) return -1;
      const ssize_t written = ::write(fd, bytes.data(), regular ? bytes.size() : std::min(bytes.size(), safe_write));
      if (written < 0 && (errno == EINTR || errno == EAGAIN)) continue;
      if (written < 0) return errno;
      bytes.remove_prefix(static_cast<std::size_t>(written));
    }
    return 0;
  }

  void work(const std::shared_ptr<Shared>& self) {
    for (;;) {
      std::string bytes;
      {
        std::unique_lock lock(mutex);
        work_there.wait(lock, [this] { return !chunks.empty() || stopping; });
        if (stopping) return;
        bytes = std::move(chunks.front());
        chunks.pop_front();
        writing = true;
      }
      const int failure = write_chunk(bytes);
      {
        const std::lock_guard lock(mutex);
        writing = false;
        if (failure != 0) {
          error = failure > 0 ? failure : ECANCELED;
          chunks.clear();
        }
      }
      asio::post(executor, [self] { self->moved.notify(); });
      if (failure != 0) return;
    }
  }
};

LocalOutput::LocalOutput(asio::any_io_executor executor, int fd)
    : shared_(std::make_shared<Shared>(std::move(executor), fd)) {
  shared_->thread.start([shared = shared_.get(), weak = std::weak_ptr<Shared>(shared_)] {
    if (const auto self = weak.lock()) shared->work(self);
  });
}

LocalOutput::~LocalOutput() {
  {
    const std::lock_guard lock(shared_->mutex);
    shared_->stopping = true;
  }
  shared_->work_there.notify_all();
  shared_->thread.wake();
  shared_->thread.join();
}

asio::awaitable<bool> LocalOutput::write(std::string bytes) {
  const auto shared = shared_;
  for (;;) {
    {
      const std::lock_guard lock(shared->mutex);
      if (shared->error != 0 || shared->stopping) co_return false;
      if (shared->chunks.size() < most_chunks) {
        if (!bytes.empty()) shared->chunks.push_back(std::move(bytes));
        break;
      }
    }
    co_await shared->moved.wait();
  }
  shared->work_there.notify_one();
  co_return true;
}

asio::awaitable<bool> LocalOutput::flush() {
  const auto shared = shared_;
  for (;;) {
    {
      const std::lock_guard lock(shared->mutex);
      if (shared->error != 0) co_return false;
      if (shared->chunks.empty() && !shared->writing) co_return true;
    }
    co_await shared->moved.wait();
  }
}

int LocalOutput::error() const noexcept {
  const std::lock_guard lock(shared_->mutex);
  return shared_->error;
}

}  // namespace agentvm::commands
