// control_api.cpp - accepts callers on the supervisor's socket.
#include "launcher/supervisor/control_api.hpp"

#include <sys/socket.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <cerrno>

#include "base/async/event.hpp"
#include "base/unix_socket.hpp"

namespace agentvm::supervisor {

namespace asio = boost::asio;

ControlApi::ControlApi(asio::any_io_executor executor, const std::string& path, link::Handler handler)
    : executor_(std::move(executor)), listener_(listen_unix(path)), handler_(std::move(handler)), changed_(executor_) {}

void ControlApi::adopt(UniqueFd connection, std::function<void()> ended) {
  const auto session = link::Session::create(executor_, std::move(connection), link::Role::server, {}, handler_);
  sessions_.insert(session);
  asio::co_spawn(executor_, serve(session, std::move(ended)), asio::detached);
}

asio::awaitable<void> ControlApi::serve(link::SessionPtr session, std::function<void()> ended) {
  co_await session->run();
  sessions_.erase(session);
  if (ended) ended();
  changed_.notify();
}

asio::awaitable<void> ControlApi::run() {
  asio::posix::stream_descriptor watch(executor_, listener_.get());
  while (!closing_) {
    const auto [error] =
        co_await watch.async_wait(asio::posix::stream_descriptor::wait_read, asio::as_tuple(asio::use_awaitable));
    if (error || closing_) break;
    UniqueFd connection(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (connection) {
      adopt(std::move(connection));
    } else if (errno == EMFILE || errno == ENFILE) {
      // The waiting caller keeps the socket readable; without a pause this would spin until a descriptor is free.
      co_await sleep_for(std::chrono::milliseconds(100));
    }
  }
  watch.release();
}

void ControlApi::close() noexcept {
  closing_ = true;
  const auto sessions = sessions_;
  for (const auto& session : sessions) session->close();
}

asio::awaitable<void> ControlApi::drained() {
  while (!sessions_.empty()) co_await changed_.wait();
}

}  // namespace agentvm::supervisor
