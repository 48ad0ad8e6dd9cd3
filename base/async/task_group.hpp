// task_group.hpp - owns coroutines: whoever starts one here can cancel it and wait until it is gone.
//
// Every coroutine of a program is either awaited where it is called, or spawned into a TaskGroup whose owner joins it
// before what the coroutine refers to goes away. So a task may use `this` of its group's owner without further proof.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/this_coro.hpp>
#include <exception>
#include <functional>
#include <memory>

namespace agentvm {

/// Tasks of one io_context and one thread. Not copied, not moved: tasks are spawned into a place.
class TaskGroup {
 public:
  /// `on_failure` is called with the first exception that leaves a task, the cancellation's own apart; the other tasks
  /// go on. Without it the exception is kept for failure().
  explicit TaskGroup(boost::asio::any_io_executor executor, std::function<void(std::exception_ptr)> on_failure = {});
  /// Tasks must have been joined, unless they own what they use, or the io_context will resume none of them.
  ~TaskGroup();
  TaskGroup(const TaskGroup&) = delete;
  TaskGroup& operator=(const TaskGroup&) = delete;

  /// Starts a task at the loop's next turn. After cancel() the task is cancelled before its first step.
  void spawn(boost::asio::awaitable<void> task);
  /// Asks every task to end: what it waits for returns at once, and its next co_await throws operation_aborted.
  void cancel() noexcept;
  /// Completes when no task is left, whoever ended them.
  boost::asio::awaitable<void> finished();
  /// cancel(), then finished(). A coroutine that may have been cancelled itself says `co_await shielded();` before.
  boost::asio::awaitable<void> join();

  std::size_t size() const noexcept;
  bool empty() const noexcept { return size() == 0; }
  /// The first exception that left a task, or null.
  std::exception_ptr failure() const noexcept;

 private:
  struct State;
  boost::asio::any_io_executor executor_;
  std::shared_ptr<State> state_;
};

/// `co_await shielded();`: from here on the calling coroutine, which may have been cancelled, waits undisturbed: for
/// its cleaning up.
inline auto shielded() {
  return boost::asio::this_coro::reset_cancellation_state(boost::asio::disable_cancellation());
}

/// Whether this exception is how a cancelled coroutine ends.
bool is_cancellation(const std::exception_ptr& error) noexcept;

}  // namespace agentvm
