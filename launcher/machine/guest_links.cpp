// guest_links.cpp - starts the sessions and routes what the guest asks for.
#include "launcher/machine/guest_links.hpp"

namespace agentvm::machine {

namespace asio = boost::asio;

namespace {

/// What the guest may have open at once: MCP servers, model connections. Windows times streams bound our memory.
constexpr link::Limits service_limits{.max_streams = 64, .stream_window = 64 * 1024};

asio::awaitable<void> run_session(link::SessionPtr session, std::string name, std::function<void(std::string)> lost) {
  std::string reason = co_await session->run();
  lost(reason.empty() ? "the guest closed its " + name + " link" : "the " + name + " link: " + reason);
}

}  // namespace

asio::awaitable<void> GuestLinks::accept(std::function<void(std::string)> lost) {
  auto connected = transport_->connect();
  LinkStreams streams = co_await std::move(connected);
  sessions_.emplace(executor_);
  control_ = link::Session::create(executor_, std::move(streams.control), link::Role::client, {});
  sessions_->spawn(run_session(control_, "control", lost));
  services_session_ = link::Session::create(executor_, std::move(streams.services), link::Role::server, service_limits,
                                            [this](link::StreamPtr stream) { return answer(std::move(stream)); });
  sessions_->spawn(run_session(services_session_, "service", lost));
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

asio::awaitable<void> GuestLinks::drop() {
  auto ended = join();
  co_await std::move(ended);
}

asio::awaitable<void> GuestLinks::join() {
  close();
  if (services_session_) {
    auto served = services_session_->join();
    co_await std::move(served);
  }
  if (!sessions_) co_return;
  auto run = sessions_->join();
  co_await std::move(run);
}

void GuestLinks::close() noexcept {
  if (control_) control_->close();
  if (services_session_) services_session_->close();
}

}  // namespace agentvm::machine
