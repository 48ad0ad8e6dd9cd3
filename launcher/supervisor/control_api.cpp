// control_api.cpp - accepts callers on the supervisor's socket.
#include "launcher/supervisor/control_api.hpp"

#include <sys/socket.h>

#include <cerrno>

#include "base/async/event.hpp"
#include "base/async/readable.hpp"
#include "base/unix_socket.hpp"

namespace agentvm::supervisor {

namespace asio = boost::asio;

ControlApi::ControlApi(asio::any_io_executor executor, const std::string& path, link::Handler handler)
    : executor_(std::move(executor)),
      listener_(listen_unix(path)),
      handler_(std::move(handler)),
      accepting_(executor_),
      serving_(executor_) {}

void ControlApi::adopt(UniqueFd connection, std::function<void()> ended) {
  const auto session = link::Session::create(executor_, std::move(connection), link::Role::server, {}, handler_);
  sessions_.insert(session);
  serving_.spawn(serve(session, std::move(ended)));
}

asio::awaitable<void> ControlApi::serve(link::SessionPtr session, std::function<void()> ended) {
  auto run = session->run();
  co_await std::move(run);
  // A caller that is gone needs no answer any more.
  auto joined = session->join();
  co_await std::move(joined);
  sessions_.erase(session);
  if (ended) ended();
}

void ControlApi::run() {
  accepting_.spawn(accept());
}

asio::awaitable<void> ControlApi::accept() {
  while (!co_await readable(listener_.get())) {
    UniqueFd connection(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (connection) {
      adopt(std::move(connection));
    } else if (errno == EMFILE || errno == ENFILE) {
      // The waiting caller keeps the socket readable; without a pause this would spin until a descriptor is free.
      co_await sleep_for(std::chrono::milliseconds(100));
    }
  }
}

asio::awaitable<void> ControlApi::finish() {
  auto accepted = accepting_.join();
  co_await std::move(accepted);
  const auto sessions = sessions_;
  for (const auto& session : sessions) session->wind_down();
  auto served = serving_.finished();
  co_await std::move(served);
}

}  // namespace agentvm::supervisor
