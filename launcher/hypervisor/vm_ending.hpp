// vm_ending.hpp - the end of a VM: set once, awaited by any number of coroutines with or without a deadline.
#pragma once

#include <algorithm>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <vector>

#include "launcher/hypervisor/hypervisor.hpp"

namespace agentvm::hypervisor {

/// Shared by the VM and its waiters, so that a VM may be destroyed while somebody waits.
class VmEnding : public std::enable_shared_from_this<VmEnding> {
 public:
  using Time = std::chrono::steady_clock::time_point;

  explicit VmEnding(boost::asio::any_io_executor executor) : executor_(std::move(executor)) {}

  const std::optional<End>& end() const noexcept { return end_; }
  /// The first one counts.
  void set(End end) {
    if (end_) return;
    end_ = end;
    wake();
  }
  /// Makes every waiter return now.
  void wake() {
    for (auto* timer : waiters_) timer->cancel();
  }
  /// Returns when the VM has ended (true), or woken or at the deadline (false).
  boost::asio::awaitable<bool> wait_until(Time deadline) {
    const auto self = shared_from_this();
    if (end_) co_return true;
    boost::asio::steady_timer timer(executor_, deadline);
    const Registration registration(*this, timer);
    co_await timer.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
    co_return end_.has_value();
  }

 private:
  struct Registration {
    Registration(VmEnding& ending, boost::asio::steady_timer& timer) : ending_(ending), timer_(&timer) {
      ending_.waiters_.push_back(timer_);
    }
    ~Registration() { std::erase(ending_.waiters_, timer_); }
    Registration(const Registration&) = delete;
    Registration& operator=(const Registration&) = delete;
    VmEnding& ending_;
    boost::asio::steady_timer* timer_;
  };

  boost::asio::any_io_executor executor_;
  std::optional<End> end_;
  std::vector<boost::asio::steady_timer*> waiters_;
};

}  // namespace agentvm::hypervisor
