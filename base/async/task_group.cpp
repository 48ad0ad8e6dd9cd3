// task_group.cpp - the list of running tasks, each with its cancellation signal.
#include "base/async/task_group.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/system/system_error.hpp>
#include <list>
#include <utility>
#include <vector>

#include "base/async/event.hpp"

namespace agentvm {

namespace asio = boost::asio;

/// Outlives the group as long as a task does, so that a task's end always finds it.
struct TaskGroup::State {
  State(const asio::any_io_executor& executor, std::function<void(std::exception_ptr)> failed)
      : on_failure(std::move(failed)), changed(executor) {}

  void ended(std::list<std::shared_ptr<asio::cancellation_signal>>::iterator task, const std::exception_ptr& error) {
    tasks.erase(task);
    if (error && !failure && !is_cancellation(error)) {
      failure = error;
      if (on_failure) on_failure(error);
    }
    changed.notify();
  }

  std::list<std::shared_ptr<asio::cancellation_signal>> tasks;
  std::function<void(std::exception_ptr)> on_failure;
  std::exception_ptr failure;
  AsyncEvent changed;
  bool cancelled = false;
};

bool is_cancellation(const std::exception_ptr& error) noexcept {
  if (!error) return false;
  try {
    std::rethrow_exception(error);
  } catch (const boost::system::system_error& failure) {
    return failure.code() == asio::error::operation_aborted;
  } catch (...) {
    return false;
  }
}

TaskGroup::TaskGroup(asio::any_io_executor executor, std::function<void(std::exception_ptr)> on_failure)
    : executor_(std::move(executor)), state_(std::make_shared<State>(executor_, std::move(on_failure))) {}

TaskGroup::~TaskGroup() {
  state_->on_failure = nullptr;
}

void TaskGroup::spawn(asio::awaitable<void> task) {
  const auto stop = std::make_shared<asio::cancellation_signal>();
  const auto place = state_->tasks.insert(state_->tasks.end(), stop);
  asio::co_spawn(executor_, std::move(task),
                 asio::bind_cancellation_slot(stop->slot(), [state = state_, place](const std::exception_ptr& error) {
                   state->ended(place, error);
                 }));
  if (state_->cancelled) stop->emit(asio::cancellation_type::terminal);
}

void TaskGroup::cancel() noexcept {
  state_->cancelled = true;
  // A copy: what a task waits for may end it, and others with it, while it is told.
  const std::vector<std::shared_ptr<asio::cancellation_signal>> tasks(state_->tasks.begin(), state_->tasks.end());
  for (const auto& stop : tasks) stop->emit(asio::cancellation_type::terminal);
}

asio::awaitable<void> TaskGroup::finished() {
  const auto state = state_;
  while (!state->tasks.empty()) co_await state->changed.wait();
}

asio::awaitable<void> TaskGroup::join() {
  const auto state = state_;
  cancel();
  while (!state->tasks.empty()) co_await state->changed.wait();
}

std::size_t TaskGroup::size() const noexcept {
  return state_->tasks.size();
}

std::exception_ptr TaskGroup::failure() const noexcept {
  return state_->failure;
}

}  // namespace agentvm
