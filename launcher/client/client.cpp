// client.cpp - an event loop around one session.
#include "launcher/client/client.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <exception>

#include "base/async/event.hpp"
#include "base/error.hpp"
#include "base/unix_socket.hpp"

namespace agentvm::commands {

namespace asio = boost::asio;

/// Outlives the coroutines that wait on it.
class ClientEvents {
 public:
  explicit ClientEvents(const asio::any_io_executor& executor) : over(executor) {}
  AsyncEvent over;
};

UniqueFd Client::connect(const state::VmPaths& paths) {
  try {
    return connect_unix(paths.supervisor_socket());
  } catch (const Error&) {
    if (!state::is_alive(paths)) {
      throw Error("the VM '" + paths.name + "' is not running", "agentvm ls lists the VMs there are.");
    }
    throw;
  }
}

Client::Client(UniqueFd connection) : events_(std::make_shared<ClientEvents>(io_.get_executor())) {
  session_ = link::Session::create(io_.get_executor(), std::move(connection), link::Role::client);
  asio::co_spawn(
      io_,
      [](Client& me, link::SessionPtr session, std::shared_ptr<ClientEvents> events) -> asio::awaitable<void> {
        std::string reason = co_await session->run();
        me.over_ = std::move(reason);
        events->over.notify();
      }(*this, session_, events_),
      asio::detached);
}

Client::~Client() = default;

asio::awaitable<void> Client::wait_over() {
  const auto events = events_;
  while (!over_) co_await events->over.wait();
}

void Client::run(asio::awaitable<void> main) {
  std::exception_ptr failure;
  asio::co_spawn(io_, std::move(main), [this, &failure](std::exception_ptr thrown) {
    failure = std::move(thrown);
    io_.stop();
  });
  io_.run();
  if (failure) std::rethrow_exception(failure);
}

bool Client::run_for(asio::awaitable<void> main, std::chrono::milliseconds limit) {
  std::exception_ptr failure;
  bool done = false;
  asio::co_spawn(io_, std::move(main), [this, &failure, &done](std::exception_ptr thrown) {
    failure = std::move(thrown);
    done = true;
    io_.stop();
  });
  io_.run_for(limit);
  if (failure) std::rethrow_exception(failure);
  return done;
}

std::optional<link::Answer> Client::ask(const std::string& method, const std::string& path, const std::string& body,
                                        std::chrono::milliseconds limit) {
  // The coroutine may outlive this call when the time is up, so it owns what it writes to.
  const auto answer = std::make_shared<std::optional<link::Answer>>();
  run_for(
      [](link::SessionPtr session, std::string method_in, std::string path_in, std::string body_in,
         std::shared_ptr<std::optional<link::Answer>> result) -> asio::awaitable<void> {
        *result = co_await link::request(*session, std::move(method_in), std::move(path_in), std::move(body_in));
      }(session_, method, path, body, answer),
      limit);
  return *answer;
}

std::string ask_supervisor(const state::VmPaths& paths, const std::string& method, const std::string& path,
                           const std::string& body, std::chrono::milliseconds limit) {
  Client client(Client::connect(paths));
  const auto answer = client.ask(method, path, body, limit);
  if (!answer) {
    throw Error("the supervisor of '" + paths.name + "' did not answer " + path + " within " +
                    std::to_string(limit.count()) + " ms",
                "agentvm destroy " + paths.name + " ends it in any case.");
  }
  if (answer->status != 200) {
    throw Error("the supervisor of '" + paths.name + "' refused " + path + ": " +
                answer->body.substr(0, answer->body.find('\n')));
  }
  return answer->body;
}

}  // namespace agentvm::commands
