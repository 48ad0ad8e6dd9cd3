// dial.cpp - attempts side by side; the first that connects wins, and takes the others' sockets away.
#include "launcher/gateway/http/dial.hpp"

#include <algorithm>
#include <boost/asio/error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/system/system_error.hpp>
#include <list>
#include <memory>
#include <optional>
#include <utility>

#include "base/async/event.hpp"
#include "base/async/race.hpp"

namespace agentvm::gateway {

namespace asio = boost::asio;
using asio::ip::tcp;
using ErrorCode = boost::system::error_code;

namespace {

struct LookUp {
  explicit LookUp(const asio::any_io_executor& executor) : resolver(executor), answered(executor) {}
  tcp::resolver resolver;
  AsyncEvent answered;
  bool done = false;
  ErrorCode error;
  tcp::resolver::results_type found;
};

/// Shared with the handlers of its attempts, which run once more after their sockets were closed.
struct Attempts {
  explicit Attempts(const asio::any_io_executor& executor) : changed(executor) {}
  AsyncEvent changed;
  std::list<tcp::socket> sockets;  // of all attempts, so that an end closes each
  std::optional<tcp::socket> connected;
  std::size_t running = 0;
  ErrorCode failure = asio::error::host_not_found;
};

void start_attempt(const std::shared_ptr<Attempts>& attempts, const asio::any_io_executor& executor,
                   const tcp::endpoint& endpoint) {
  const auto socket = attempts->sockets.emplace(attempts->sockets.end(), executor);
  ++attempts->running;
  socket->async_connect(endpoint, [attempts, socket](const ErrorCode& error) {
    --attempts->running;
    if (error) {
      attempts->failure = error;
    } else if (!attempts->connected) {
      attempts->connected.emplace(std::move(*socket));
    }
    attempts->changed.notify();
  });
}

/// Whichever way dialling ends, cancelled too.
class CloseAll {
 public:
  explicit CloseAll(std::shared_ptr<Attempts> attempts) : attempts_(std::move(attempts)) {}
  CloseAll(const CloseAll&) = delete;
  CloseAll& operator=(const CloseAll&) = delete;
  ~CloseAll() {
    ErrorCode ignored;
    for (tcp::socket& socket : attempts_->sockets) socket.close(ignored);
  }

 private:
  std::shared_ptr<Attempts> attempts_;
};

asio::awaitable<void> until_decided(std::shared_ptr<Attempts> attempts, std::size_t started) {
  while (!attempts->connected && attempts->running == started) co_await attempts->changed.wait();
}

}  // namespace

asio::awaitable<Endpoints> resolve(std::string host, std::string port) {
  const auto executor = co_await asio::this_coro::executor;
  const auto look_up = std::make_shared<LookUp>(executor);
  look_up->resolver.async_resolve(host, port, tcp::resolver::address_configured | tcp::resolver::numeric_service,
                                  [look_up](const ErrorCode& error, tcp::resolver::results_type found) {
                                    look_up->done = true;
                                    look_up->error = error;
                                    look_up->found = std::move(found);
                                    look_up->answered.notify();
                                  });
  while (!look_up->done) co_await look_up->answered.wait();
  if (look_up->error) throw boost::system::system_error(look_up->error);
  Endpoints endpoints;
  for (const auto& entry : look_up->found) endpoints.push_back(entry.endpoint());
  co_return endpoints;
}

Endpoints in_turn(const Endpoints& endpoints) {
  Endpoints first, second;  // by family; the first address's comes first
  for (const tcp::endpoint& endpoint : endpoints) {
    (endpoint.protocol() == endpoints.front().protocol() ? first : second).push_back(endpoint);
  }
  Endpoints mixed;
  for (std::size_t i = 0; i < std::max(first.size(), second.size()); ++i) {
    if (i < first.size()) mixed.push_back(first[i]);
    if (i < second.size()) mixed.push_back(second[i]);
  }
  return mixed;
}

asio::awaitable<tcp::socket> dial(Endpoints endpoints) {
  const auto executor = co_await asio::this_coro::executor;
  const auto attempts = std::make_shared<Attempts>(executor);
  const CloseAll closing(attempts);
  for (const tcp::endpoint& endpoint : endpoints) {
    start_attempt(attempts, executor, endpoint);
    co_await race(until_decided(attempts, attempts->running), sleep_for(attempt_delay));
    if (attempts->connected) break;
  }
  while (!attempts->connected && attempts->running > 0) co_await attempts->changed.wait();
  if (!attempts->connected) throw boost::system::system_error(attempts->failure);
  co_return std::move(*attempts->connected);
}

}  // namespace agentvm::gateway
