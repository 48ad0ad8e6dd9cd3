// offload.hpp - one thread for calls that block, and coroutines that wait for their results.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include "base/async/event.hpp"

namespace agentvm {

/// Runs functions one after another. A function must own what it uses, or use what outlives join(): the coroutine that
/// waits for it may be cancelled at any moment, the function cannot.
class BlockingWorker {
 public:
  explicit BlockingWorker(boost::asio::any_io_executor executor) : executor_(std::move(executor)) {}
  ~BlockingWorker() { join(); }
  BlockingWorker(const BlockingWorker&) = delete;
  BlockingWorker& operator=(const BlockingWorker&) = delete;

  /// Runs `function` on the thread; returns its result, or throws what it throws, on the executor.
  template <typename Function>
  boost::asio::awaitable<std::invoke_result_t<Function>> run(Function function) {
    using Value = std::invoke_result_t<Function>;
    struct Call {
      explicit Call(const boost::asio::any_io_executor& executor) : event(executor) {}
      AsyncEvent event;
      bool done = false;
      std::optional<std::conditional_t<std::is_void_v<Value>, bool, Value>> value;
      std::exception_ptr failure;
    };
    auto call = std::make_shared<Call>(executor_);
    start([call, function = std::move(function), executor = executor_]() mutable {
      try {
        if constexpr (std::is_void_v<Value>) {
          function();
        } else {
          call->value = function();
        }
      } catch (...) {
        call->failure = std::current_exception();
      }
      boost::asio::post(executor, [call = std::move(call)] {
        call->done = true;
        call->event.notify();
      });
    });
    while (!call->done) co_await call->event.wait();
    if (call->failure) std::rethrow_exception(call->failure);
    if constexpr (!std::is_void_v<Value>) co_return std::move(*call->value);
  }

  /// Runs `function`, which must not throw, some time; nobody waits for it.
  template <typename Function>
  void start(Function function) {
    boost::asio::post(thread_, std::move(function));
  }

  /// Waits until everything started has run.
  void join() { thread_.join(); }

 private:
  boost::asio::any_io_executor executor_;
  boost::asio::thread_pool thread_{1};
};

}  // namespace agentvm
