// client.cpp - an event loop around one session.
#include "launcher/client/client.hpp"

#include <exception>
#include <utility>

#include "base/async/clock.hpp"
#include "base/async/main_task.hpp"
#include "base/async/within.hpp"
#include "base/error.hpp"
#include "base/unix_socket.hpp"
#include "launcher/terminal/log.hpp"

namespace agentvm::commands {

namespace asio = boost::asio;

namespace {

void log_failure(const std::exception_ptr& failure) {
  try {
    std::rethrow_exception(failure);
  } catch (const std::exception& error) {
    log_debug(error.what());  // the connection's loss is noticed by itself
  }
}

asio::awaitable<void> request_into(link::SessionPtr session, std::string method, std::string path, std::string body,
                                   std::optional<link::Answer>& answer) {
  auto asked = link::request(*session, std::move(method), std::move(path), std::move(body));
  answer = co_await std::move(asked);
}

asio::awaitable<void> until(asio::awaitable<void> task, std::chrono::milliseconds limit) {
  SteadyClock clock;
  auto ended = ended_within(clock, limit, std::move(task));
  co_await std::move(ended);
}

}  // namespace

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

Client::Client(UniqueFd connection)
    : session_(link::Session::create(executor(), std::move(connection), link::Role::client)),
      ended_(executor()),
      tasks_(executor(), log_failure) {
  spawn(serve_session());
}

asio::awaitable<void> Client::serve_session() {
  auto run = session_->run();
  over_ = co_await std::move(run);
  ended_.notify();
}

asio::awaitable<void> Client::wait_over() {
  while (!over_) co_await ended_.wait();
}

asio::awaitable<bool> Client::then_join(asio::awaitable<void> main) {
  std::exception_ptr failure;
  try {
    co_await std::move(main);
  } catch (...) {
    failure = std::current_exception();
  }
  auto joined = tasks_.join();
  co_await std::move(joined);
  if (failure) std::rethrow_exception(failure);
  co_return true;
}

void Client::run(asio::awaitable<void> main) {
  run_to_end(io_, then_join(std::move(main)));
}

std::optional<link::Answer> Client::ask(const std::string& method, const std::string& path, const std::string& body,
                                        std::chrono::milliseconds limit) {
  std::optional<link::Answer> answer;
  run(until(request_into(session_, method, path, body, answer), limit));
  return answer;
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
