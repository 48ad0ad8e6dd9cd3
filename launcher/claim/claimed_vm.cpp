// claimed_vm.cpp - a Machine's parts by messages to a keeper.
#include "launcher/claim/claimed_vm.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/async/event.hpp"
#include "base/async/race.hpp"
#include "base/async/task_group.hpp"
#include "base/error.hpp"
#include "launcher/claim/keeper_session.hpp"

namespace agentvm::pool {

namespace asio = boost::asio;

namespace {

constexpr std::chrono::milliseconds kill_limit{3'000};

asio::awaitable<void> for_ever() {
  AsyncEvent never(co_await asio::this_coro::executor);
  for (;;) co_await never.wait();
}

/// Of the pool's, which serves it for as long as the VM lives.
class PoolsShare final : public machine::Share {
 public:
  const std::string& socket() const noexcept override { return none_; }
  std::vector<pid_t> processes() const override { return {}; }
  asio::awaitable<Error> ended() override {
    co_await for_ever();
    Error never{""};
    co_return never;
  }
  asio::awaitable<void> stop(std::chrono::milliseconds) override { co_return; }

 private:
  std::string none_;
};

class SilentConsole final : public machine::Console {
 public:
  asio::awaitable<std::string> read() override {
    co_await for_ever();
    co_return std::string();
  }
};

class ClaimedTransport final : public machine::LinkTransport {
 public:
  ClaimedTransport(std::shared_ptr<KeeperSession> keeper, UniqueFd control, UniqueFd services, bool shared)
      : keeper_(std::move(keeper)), control_(std::move(control)), services_(std::move(services)), shared_(shared) {}

  asio::awaitable<machine::LinkStreams> connect() override {
    if (!control_) {
      auto asked = keeper_->ask("links", nlohmann::json::object());
      std::vector<UniqueFd> fds = co_await std::move(asked);
      if (fds.size() != 2) throw Error("the pool's keeper gave no links");
      control_ = std::move(fds[0]);
      services_ = std::move(fds[1]);
    }
    machine::LinkStreams streams;
    streams.control = std::move(control_);
    streams.services = std::move(services_);
    streams.shared = shared_;
    co_return streams;
  }
  bool waits_for_guest() const noexcept override { return true; }

 private:
  std::shared_ptr<KeeperSession> keeper_;
  UniqueFd control_, services_;
  bool shared_;
};

hypervisor::End end_of(const Ended& ended) noexcept {
  if (ended.how == "powered_off") return hypervisor::End::powered_off;
  if (ended.how == "crashed") return hypervisor::End::crashed;
  return ended.how == "killed" ? hypervisor::End::killed : hypervisor::End::vmm_died;
}

/// The VMM belongs to the keeper, perhaps to another user: its processes are watched there.
class ClaimedVmm final : public hypervisor::Hypervisor {
 public:
  ClaimedVmm(const asio::any_io_executor& executor, std::shared_ptr<KeeperSession> keeper,
             std::map<std::string, std::size_t> listeners)
      : keeper_(std::move(keeper)), listeners_(std::move(listeners)), reading_(executor) {
    // What it uses is its own: the group's end need not be waited for.
    reading_.spawn([](std::shared_ptr<KeeperSession> session) -> asio::awaitable<void> {
      auto run = session->run();
      co_await std::move(run);
    }(keeper_));
  }

  asio::awaitable<void> boot() override {
    for (const auto& [tag, listener] : listeners_) {
      auto plugged = plug(tag, listener);
      co_await std::move(plugged);
    }
  }
  std::vector<pid_t> processes() const override { return {}; }
  asio::awaitable<void> add_share(const vmspec::ShareSpec& share, const std::string&) override {
    const auto listener = listeners_.find(share.tag);
    if (listener == listeners_.end()) throw Error("a VM of a pool takes no more shares than it was claimed with");
    auto plugged = plug(share.tag, listener->second);
    co_await std::move(plugged);
  }
  asio::awaitable<void> remove_share(const std::string& tag) override {
    const nlohmann::json body = {{"tag", tag}};
    auto asked = keeper_->ask("unplug", body);
    co_await std::move(asked);
  }
  asio::awaitable<void> pause() override { return ask("pause"); }
  asio::awaitable<void> resume() override { return ask("resume"); }
  asio::awaitable<bool> power_off(std::chrono::milliseconds) override {
    auto killed = kill();
    co_await std::move(killed);
    co_return true;
  }
  asio::awaitable<void> kill() override {
    // Asked, it says when the VM is gone; who holds the connection may always let it go.
    auto killed = killed_by_keeper();
    auto late = sleep_for(kill_limit);
    auto first = race(std::move(killed), std::move(late));
    co_await std::move(first);
    keeper_->let_go();
    auto ended = keeper_->ended();
    co_await std::move(ended);
  }
  asio::awaitable<hypervisor::End> wait() override {
    auto ended = keeper_->ended();
    co_return end_of(co_await std::move(ended));
  }

 private:
  asio::awaitable<void> plug(std::string tag, std::size_t listener) {
    const nlohmann::json body = {{"tag", tag}, {"listener", listener}};
    auto asked = keeper_->ask("plug", body);
    co_await std::move(asked);
  }
  asio::awaitable<void> killed_by_keeper() {
    try {
      auto asked = ask("kill");
      co_await std::move(asked);
    } catch (const Error&) {
      // It has ended already.
    }
    auto ended = keeper_->ended();
    co_await std::move(ended);
  }
  asio::awaitable<void> ask(std::string what) {
    auto asked = keeper_->ask(std::move(what), nlohmann::json::object());
    co_await std::move(asked);
  }

  std::shared_ptr<KeeperSession> keeper_;
  std::map<std::string, std::size_t> listeners_;
  TaskGroup reading_;
};

}  // namespace

std::vector<int> descriptors_of(const ClaimedVm& vm) {
  std::vector<int> fds{vm.connection.get(), vm.control.get(), vm.services.get()};
  for (const UniqueFd& listener : vm.listeners) fds.push_back(listener.get());
  return fds;
}

ClaimedParts::ClaimedParts(asio::any_io_executor executor, const vmspec::VmSpec& spec, machine::HostParts& own,
                           ClaimedVm vm)
    : executor_(executor),
      spec_(spec),
      own_(own),
      keeper_(std::make_shared<KeeperSession>(executor, std::move(vm.connection))),
      vm_(std::move(vm)) {}

ClaimedParts::~ClaimedParts() {
  keeper_->let_go();
}

std::unique_ptr<machine::Share> ClaimedParts::serve_share(const vmspec::ShareSpec& share, std::size_t number) {
  const auto& there = spec_.pooled->shares;
  if (std::find(there.begin(), there.end(), share.tag) != there.end()) return std::make_unique<PoolsShare>();
  if (next_listener_ >= vm_.listeners.size())
    throw Error("a VM of a pool takes no more shares than it was claimed with");
  listener_of_[share.tag] = next_listener_;
  return own_.serve_share_on(std::move(vm_.listeners[next_listener_++]), share, number);
}

asio::awaitable<std::unique_ptr<machine::NetworkLease>> ClaimedParts::take_lease() {
  co_return nullptr;
}

std::unique_ptr<machine::LinkTransport> ClaimedParts::make_transport() {
  return std::make_unique<ClaimedTransport>(keeper_, std::move(vm_.control), std::move(vm_.services), vm_.shared);
}

std::unique_ptr<hypervisor::Hypervisor> ClaimedParts::make_vmm(const std::vector<std::string>&,
                                                               const machine::NetworkLease*) {
  return std::make_unique<ClaimedVmm>(executor_, keeper_, listener_of_);
}

std::unique_ptr<machine::Console> ClaimedParts::open_console() {
  return std::make_unique<SilentConsole>();
}

}  // namespace agentvm::pool
