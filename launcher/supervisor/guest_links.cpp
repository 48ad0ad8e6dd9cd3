// guest_links.cpp - accepts the VMM's connections and routes what the guest asks for.
#include "launcher/supervisor/guest_links.hpp"

#include <sys/socket.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <cerrno>

#include "base/error.hpp"
#include "base/unix_socket.hpp"

namespace agentvm::supervisor {

namespace asio = boost::asio;

namespace {

/// What the guest may have open at once: MCP servers, model connections. Windows times streams bound our memory.
constexpr link::Limits service_limits{.max_streams = 64, .stream_window = 64 * 1024};

asio::awaitable<void> run_session(link::SessionPtr session, std::string name, std::function<void(std::string)> lost) {
  std::string reason = co_await session->run();
  lost(reason.empty() ? "the guest closed its " + name + " link" : "the " + name + " link: " + reason);
}

}  // namespace

GuestLinks::GuestLinks(asio::any_io_executor executor, std::string control_path, std::string services_path)
    : executor_(std::move(executor)),
      control_listener_(listen_unix(control_path, 1)),
      services_listener_(listen_unix(services_path, 1)) {}

asio::awaitable<UniqueFd> GuestLinks::accept_one(int listener) {
  asio::posix::stream_descriptor watch(executor_, listener);
  const auto [error] =
      co_await watch.async_wait(asio::posix::stream_descriptor::wait_read, asio::as_tuple(asio::use_awaitable));
  watch.release();
  if (error) throw Error("waiting for the VMM: " + error.message());
  UniqueFd connection(accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
  if (!connection) throw system_error(errno, "accepting the VMM's connection");
  co_return connection;
}

asio::awaitable<void> GuestLinks::accept(std::function<void(std::string)> lost) {
  UniqueFd control = co_await accept_one(control_listener_.get());
  control_ = link::Session::create(executor_, std::move(control), link::Role::client, {});
  asio::co_spawn(executor_, run_session(control_, "control", lost), asio::detached);
  UniqueFd services = co_await accept_one(services_listener_.get());
  services_session_ = link::Session::create(executor_, std::move(services), link::Role::server, service_limits,
                                            [this](link::StreamPtr stream) { return answer(std::move(stream)); });
  asio::co_spawn(executor_, run_session(services_session_, "service", lost), asio::detached);
  // One VMM, one connection each: nobody else may come in its place.
  control_listener_.reset();
  services_listener_.reset();
}

asio::awaitable<void> GuestLinks::answer(link::StreamPtr stream) {
  const auto found = services_.find(std::string(stream->path()));
  if (found == services_.end()) {
    stream->respond(404);
    co_await stream->write("the profile does not offer " + std::string(stream->path()) + "\n");
    co_return;
  }
  co_await found->second(stream);
}

void GuestLinks::close() noexcept {
  if (control_) control_->close();
  if (services_session_) services_session_->close();
}

}  // namespace agentvm::supervisor
