// guest_links.cpp - starts the sessions, routes what the guest asks for, and drops links in agreement with the guest.
#include "launcher/machine/guest_links.hpp"

#include <utility>

#include "base/async/race.hpp"
#include "base/error.hpp"

namespace agentvm::machine {

namespace asio = boost::asio;

namespace {

/// What the guest may have open at once: MCP servers, model connections. Windows times streams bound our memory.
constexpr link::Limits service_limits{.max_streams = 64, .stream_window = 64 * 1024};
/// For a guest that is already running to answer on links made anew.
constexpr std::chrono::seconds return_limit{20};

}  // namespace

/// One pair of links, and how far it has come.
struct GuestLinks::Pair {
  explicit Pair(const asio::any_io_executor& executor) : changed(executor) {}

  link::SessionPtr control, services;
  std::function<void(std::string)> lost;
  AsyncEvent changed;
  int begun = 0;          ///< links on which the guest has answered
  bool ending = false;    ///< close() or an agreed drop(): an end is no loss
  bool reported = false;  ///< `lost` was called
  std::string reason;     ///< why the first of the sessions ended

  void close() noexcept {
    control->close();
    services->close();
    changed.notify();
  }
  void report(const std::string& why) {
    if (reported) return;
    reported = true;
    lost(why);
  }
};

GuestLinks::GuestLinks(asio::any_io_executor executor, std::unique_ptr<LinkTransport> transport)
    : executor_(executor), transport_(std::move(transport)), changed_(executor) {}

asio::awaitable<void> GuestLinks::accept(std::function<void(std::string)> lost) {
  if (state_ != State::fresh && state_ != State::dropped) throw Error("the guest's links are not to be connected now");
  const State before = std::exchange(state_, State::connecting);
  LinkStreams streams;
  try {
    auto connected = transport_->connect();
    streams = co_await std::move(connected);
  } catch (...) {
    if (state_ == State::connecting) set(before);
    throw;
  }
  if (state_ != State::connecting) throw Error("the guest's links were closed");
  const auto pair = std::make_shared<Pair>(executor_);
  pair->lost = std::move(lost);
  UniqueFd shared_control, shared_services;
  if (streams.shared) {
    shared_control = duplicate_stream(streams.control);
    shared_services = duplicate_stream(streams.services);
  }
  pair->control = link::Session::create(executor_, std::move(streams.control), link::Role::client, {});
  pair->services = link::Session::create(
      executor_, std::move(streams.services), link::Role::server, service_limits,
      [services = services_](link::StreamPtr stream) { return answer(services, std::move(stream)); });
  sessions_.emplace(executor_);
  sessions_->spawn(run_session(pair, pair->control, std::move(shared_control), "control"));
  sessions_->spawn(run_session(pair, pair->services, std::move(shared_services), "service"));
  pair_ = pair;
  control_ = pair->control;
  ++generation_;
  set(State::connected);
  if (before == State::fresh) co_return;
  auto begun = wait_begun(pair);
  auto late = sleep_for(return_limit);
  auto first = race(std::move(begun), std::move(late));
  if (co_await std::move(first) == 1) throw Error("the guest did not come back to its links in time");
  if (!pair->reason.empty()) throw Error(pair->reason);
}

asio::awaitable<void> GuestLinks::wait_begun(std::shared_ptr<Pair> pair) {
  while (pair->begun < 2 && pair->reason.empty()) co_await pair->changed.wait();
}

asio::awaitable<void> GuestLinks::run_session(std::shared_ptr<Pair> pair, link::SessionPtr session, UniqueFd shared,
                                              std::string name) {
  std::string reason;
  try {
    if (shared) {
      auto closed = [](std::shared_ptr<Pair> of, link::SessionPtr its) -> asio::awaitable<void> {
        while (its->open_for_streams()) co_await of->changed.wait();
      };
      auto begin = begin_link(std::move(shared));
      auto end = closed(pair, session);
      auto first = race(std::move(begin), std::move(end));
      co_await std::move(first);
    }
    ++pair->begun;
    pair->changed.notify();
    auto run = session->run();
    reason = co_await std::move(run);
  } catch (const Error& error) {
    reason = error.what();
    session->close();
  }
  reason = reason.empty() ? "the guest closed its " + name + " link" : "the " + name + " link: " + reason;
  if (pair->reason.empty()) pair->reason = reason;
  pair->changed.notify();
  if (!pair->ending) pair->report(pair->reason);
}

asio::awaitable<void> GuestLinks::answer(std::shared_ptr<Services> services, link::StreamPtr stream) {
  const auto found = services->find(std::string(stream->path()));
  if (found == services->end()) {
    stream->respond(404);
    co_await stream->write("the profile does not offer " + std::string(stream->path()) + "\n");
    co_return;
  }
  co_await found->second(stream);
}

asio::awaitable<void> GuestLinks::drop(std::chrono::milliseconds limit) {
  if (state_ != State::connected) throw Error("the guest's links are not connected");
  const auto pair = pair_;
  set(State::dropping);
  pair->ending = true;  // the guest may be faster than its answer
  std::string failure = "the guest did not answer in time";
  const auto ask = [](link::SessionPtr control, std::string& problem) -> asio::awaitable<void> {
    try {
      auto asked = link::request(*control, "POST", "/links/drop");
      const link::Answer answer = co_await std::move(asked);
      problem = answer.status == 200 ? "" : "status " + std::to_string(answer.status) + ": " + answer.body;
    } catch (const Error& error) {
      problem = error.what();
    }
  };
  auto asked = ask(pair->control, failure);
  auto late = sleep_for(limit);
  auto first = race(std::move(asked), std::move(late));
  co_await std::move(first);
  if (state_ != State::dropping) throw Error("the guest's links were closed");
  if (!failure.empty()) {
    pair->ending = false;
    set(State::connected);
    if (!pair->reason.empty()) pair->report(pair->reason);
    throw Error("the guest did not agree to a drop of its links: " + failure);
  }
  // At once: what is still under way will be asked for on the next links.
  auto served = pair->services->join();
  co_await std::move(served);
  auto run = sessions_->join();
  co_await std::move(run);
  pair->close();
  if (state_ != State::dropping) throw Error("the guest's links were closed");
  transport_->drop();
  set(State::dropped);
}

asio::awaitable<LinkStreams> GuestLinks::hand_over() {
  if (state_ != State::dropped) throw Error("the guest's links are in use");
  auto connected = transport_->connect();
  co_return co_await std::move(connected);
}

asio::awaitable<link::SessionPtr> GuestLinks::connected() {
  for (;;) {
    const auto pair = pair_;
    if (state_ == State::connected && pair->control->open_for_streams()) co_return pair->control;
    if (state_ == State::over) throw Error("the guest's links are closed");
    if (state_ == State::connected) throw Error(pair->reason.empty() ? "the guest's links are lost" : pair->reason);
    co_await changed_.wait();
  }
}

void GuestLinks::set(State state) noexcept {
  state_ = state;
  changed_.notify();
}

asio::awaitable<void> GuestLinks::join() {
  close();
  if (!pair_) co_return;
  const auto pair = pair_;
  auto served = pair->services->join();
  co_await std::move(served);
  auto run = sessions_->join();
  co_await std::move(run);
}

void GuestLinks::close() noexcept {
  set(State::over);
  if (pair_) pair_->close();
  transport_->close();
}

}  // namespace agentvm::machine
