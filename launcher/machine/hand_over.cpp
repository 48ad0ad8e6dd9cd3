// hand_over.cpp - a Machine that was booted for somebody who was not there yet.
#include <fmt/format.h>

#include "base/error.hpp"
#include "launcher/machine/machine.hpp"

namespace agentvm::machine {

namespace asio = boost::asio;

asio::awaitable<LinkStreams> Machine::hand_over() {
  if (state_ != State::up)
    throw Error(fmt::format("the VM {} is {}, so nobody can have it", spec_.name, name_of(state_)));
  auto dropped = drop_links();
  co_await std::move(dropped);
  auto streams = links_->hand_over();
  co_return co_await std::move(streams);
}

asio::awaitable<void> Machine::plug(vmspec::ShareSpec share, std::string socket) {
  auto plugged = vmm_->add_share(share, socket);
  co_await std::move(plugged);
}

asio::awaitable<void> Machine::unplug(std::string tag) {
  auto unplugged = vmm_->remove_share(tag);
  co_await std::move(unplugged);
}

}  // namespace agentvm::machine
