// take_down.cpp - a Machine's end: asked for, waited for, forced, and nothing left.
#include <nlohmann/json.hpp>

#include "base/async/within.hpp"
#include "launcher/machine/machine.hpp"

namespace agentvm::machine {

namespace asio = boost::asio;

namespace {

/// Whether the guest answers is seen by its end; the request only has to be on its way.
asio::awaitable<void> ask_to_shut_down(link::SessionPtr session) {
  try {
    auto asked = link::request(*session, "POST", "/shutdown", "{}", 4096);
    co_await std::move(asked);
  } catch (const Error&) {
    // A guest that powers off may do so before its answer is through.
  }
}

asio::awaitable<void> vm_gone(AsyncEvent& changed, const std::optional<hypervisor::End>& end) {
  while (!end) co_await changed.wait();
}

}  // namespace

asio::awaitable<void> Machine::power_off(std::chrono::milliseconds deadline) {
  if (!vmm_ || vm_end_) co_return;
  const bool was_up = state_ == State::up;
  if (state_ != State::gone) state_ = State::ending;
  if (was_up && booted_ && linked()) {
    watches_.spawn(ask_to_shut_down(links_->control()));
    auto gone = ended_within(clock_, deadline, vm_gone(changed_, vm_end_));
    co_await std::move(gone);
  }
  auto killed = kill();
  co_await std::move(killed);
}

asio::awaitable<void> Machine::kill() {
  if (!vmm_ || vm_end_) co_return;
  if (state_ != State::gone) state_ = State::ending;
  auto killed = vmm_->kill();
  co_await std::move(killed);
  if (!vm_end_) vm_end_ = hypervisor::End::killed;
  end({Ending::Cause::killed, "the VM was killed", Error("the VM was killed")});
}

asio::awaitable<void> Machine::take_down() {
  if (state_ == State::gone) co_return;
  state_ = State::ending;
  co_await shielded();
  auto killed = kill();
  co_await std::move(killed);
  auto unwatched = watches_.join();
  co_await std::move(unwatched);
  if (links_) {
    auto closed = links_->join();
    co_await std::move(closed);
  }
  for (AddedShare& added : shares_) {
    auto unwatched_share = added.watch->join();
    co_await std::move(unwatched_share);
    auto stopped = added.share->stop(limits_.share_stop);
    co_await std::move(stopped);
  }
  shares_.clear();
  vmm_.reset();
  links_.reset();
  if (lease_) lease_->give_back();
  lease_.reset();
  state_ = State::gone;
  changed_.notify();
}

}  // namespace agentvm::machine
