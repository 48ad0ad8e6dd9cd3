// fake_supervisor.hpp - answers as a supervisor does, from a thread, without any VM.
#pragma once

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/async/event.hpp"
#include "base/link/link.hpp"
#include "base/unix_socket.hpp"

namespace agentvm::test {

/// Serves one connection on a thread of its own until destroyed.
class FakeSupervisor {
 public:
  using Answer = std::function<boost::asio::awaitable<void>(FakeSupervisor&, link::StreamPtr)>;

  FakeSupervisor(UniqueFd connection, Answer answer) : answer_(std::move(answer)) { serve(std::move(connection)); }
  /// Listens and takes the first caller.
  FakeSupervisor(const std::string& path, Answer answer) : answer_(std::move(answer)), listener_(listen_unix(path)) {
    thread_ = std::thread([this] {
      boost::asio::co_spawn(
          io_,
          [this]() -> boost::asio::awaitable<void> {
            boost::asio::posix::stream_descriptor watch(io_, listener_.get());
            co_await watch.async_wait(boost::asio::posix::stream_descriptor::wait_read, boost::asio::use_awaitable);
            watch.release();
            attach(UniqueFd(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC)));
          },
          boost::asio::detached);
      io_.run();
    });
  }
  FakeSupervisor(const FakeSupervisor&) = delete;
  FakeSupervisor& operator=(const FakeSupervisor&) = delete;
  ~FakeSupervisor() {
    io_.stop();
    if (thread_.joinable()) thread_.join();
  }

  boost::asio::io_context& io() noexcept { return io_; }
  /// Ends the connection as a killed supervisor does.
  void vanish() { session_->close(); }
  /// What was asked for, in order, as "POST /own".
  std::vector<std::string> asked() {
    const std::lock_guard lock(mutex_);
    return asked_;
  }
  bool was_asked(const std::string& request) {
    const std::lock_guard lock(mutex_);
    for (const std::string& one : asked_) {
      if (one == request) return true;
    }
    return false;
  }
  void note(const std::string& what) {
    const std::lock_guard lock(mutex_);
    asked_.push_back(what);
  }

 private:
  void serve(UniqueFd connection) {
    attach(std::move(connection));
    thread_ = std::thread([this] { io_.run(); });
  }
  void attach(UniqueFd connection) {
    session_ = link::Session::create(io_.get_executor(), std::move(connection), link::Role::server, {},
                                     [this](link::StreamPtr stream) -> boost::asio::awaitable<void> {
                                       note(std::string(stream->method()) + " " + std::string(stream->path()));
                                       return answer_(*this, std::move(stream));
                                     });
    boost::asio::co_spawn(
        io_, [](link::SessionPtr session) -> boost::asio::awaitable<void> { co_await session->run(); }(session_),
        boost::asio::detached);
  }

  boost::asio::io_context io_{1};
  Answer answer_;  // may hold timers of io_
  UniqueFd listener_;
  link::SessionPtr session_;
  std::mutex mutex_;
  std::vector<std::string> asked_;
  std::thread thread_;
};

}  // namespace agentvm::test
