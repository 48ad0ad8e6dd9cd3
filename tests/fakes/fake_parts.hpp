// fake_parts.hpp - a VM's parts that do what the test says: a VMM, shares and a network, all in memory.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/async/event.hpp"
#include "launcher/machine/parts.hpp"
#include "tests/fakes/fake_guest.hpp"

namespace agentvm::test {

/// What the test and the parts both see.
struct FakeHost {
  explicit FakeHost(boost::asio::any_io_executor executor) : changed(executor), guest(executor) {
    guest.on_shutdown = [this] { end_vm(hypervisor::End::powered_off); };
  }

  // The VMM.
  bool boots = true;        ///< boot() returns
  bool guest_comes = true;  ///< ... and the guest arrives with it
  bool waits_for_guest = false;
  bool dies_of_kill = true;
  std::optional<Error> boot_failure;
  std::optional<Error> plug_failure;  ///< of add_share()
  std::optional<hypervisor::End> end;
  std::vector<std::string> calls;  ///< "boot", "pause", "add_share docs", ...
  int clock_jumps = 0;             ///< that nobody has heard of
  std::string console;             ///< what the guest has printed and nobody has read
  // Shares and network.
  std::optional<Error> share_failure;
  std::optional<Error> lost_share;
  bool has_network = false;
  bool lease_comes = true;
  bool lease_lost = false;
  int shares_served = 0, shares_running = 0, vmms = 0, leases = 0;
  std::set<std::pair<std::string, pid_t>> watched;

  AsyncEvent changed;
  FakeGuest guest;

  /// The VM is no more; its links go with it.
  void end_vm(hypervisor::End how) {
    if (end) return;
    end = how;
    guest.leave();
    changed.notify();
  }
  void print_console(const std::string& text) {
    console += text;
    changed.notify();
  }
  void jump_clock() {
    ++clock_jumps;
    changed.notify();
  }
  void lose_share(const std::string& sentence) {
    lost_share = Error(sentence);
    changed.notify();
  }
  void lose_lease() {
    lease_lost = true;
    changed.notify();
  }
  bool nothing_left() const { return shares_running == 0 && vmms == 0 && leases == 0; }
};

class FakeVm final : public hypervisor::Hypervisor {
 public:
  explicit FakeVm(FakeHost& host) : host_(host) { ++host_.vmms; }
  ~FakeVm() override { --host_.vmms; }
  FakeVm(const FakeVm&) = delete;
  FakeVm& operator=(const FakeVm&) = delete;

  boost::asio::awaitable<void> boot() override {
    host_.calls.emplace_back("boot");
    while (!host_.boots && !host_.end) co_await host_.changed.wait();
    if (host_.boot_failure) throw Error(*host_.boot_failure);
    if (host_.guest_comes && !host_.end) host_.guest.arrive();
  }
  std::vector<pid_t> processes() const override { return {4242}; }
  boost::asio::awaitable<void> add_share(const vmspec::ShareSpec& share, const std::string& socket) override {
    host_.calls.push_back("add_share " + share.tag + " " + socket);
    if (host_.plug_failure) throw Error(*host_.plug_failure);
    co_return;
  }
  boost::asio::awaitable<void> remove_share(const std::string& tag) override {
    host_.calls.push_back("remove_share " + tag);
    co_return;
  }
  boost::asio::awaitable<void> pause() override {
    host_.calls.emplace_back("pause");
    co_return;
  }
  boost::asio::awaitable<void> resume() override {
    host_.calls.emplace_back("resume");
    co_return;
  }
  boost::asio::awaitable<bool> power_off(std::chrono::milliseconds) override { co_return false; }
  boost::asio::awaitable<void> kill() override {
    host_.calls.emplace_back("kill");
    if (host_.dies_of_kill) host_.end_vm(hypervisor::End::killed);
    co_return;
  }
  boost::asio::awaitable<hypervisor::End> wait() override {
    while (!host_.end) co_await host_.changed.wait();
    co_return *host_.end;
  }

 private:
  FakeHost& host_;
};

class FakeShare final : public machine::Share {
 public:
  FakeShare(FakeHost& host, std::string socket) : host_(host), socket_(std::move(socket)) {
    ++host_.shares_served;
    ++host_.shares_running;
  }
  ~FakeShare() override {
    if (running_) --host_.shares_running;
  }
  FakeShare(const FakeShare&) = delete;
  FakeShare& operator=(const FakeShare&) = delete;

  const std::string& socket() const noexcept override { return socket_; }
  std::vector<pid_t> processes() const override { return {4300 + host_.shares_served}; }
  boost::asio::awaitable<Error> ended() override {
    while (!host_.lost_share) co_await host_.changed.wait();
    co_return *host_.lost_share;
  }
  boost::asio::awaitable<void> stop(std::chrono::milliseconds) override {
    if (std::exchange(running_, false)) --host_.shares_running;
    co_return;
  }

 private:
  FakeHost& host_;
  std::string socket_;
  bool running_ = true;
};

class FakeLease final : public machine::NetworkLease {
 public:
  explicit FakeLease(FakeHost& host) : host_(host) { ++host_.leases; }
  ~FakeLease() override { give_back(); }
  FakeLease(const FakeLease&) = delete;
  FakeLease& operator=(const FakeLease&) = delete;

  const network::LeaseInfo& info() const noexcept override { return info_; }
  boost::asio::awaitable<void> lost() override {
    while (!host_.lease_lost) co_await host_.changed.wait();
  }
  void give_back() noexcept override {
    if (std::exchange(held_, false)) --host_.leases;
  }

 private:
  FakeHost& host_;
  network::LeaseInfo info_;
  bool held_ = true;
};

class FakeConsole final : public machine::Console {
 public:
  explicit FakeConsole(FakeHost& host) : host_(host) {}

  boost::asio::awaitable<std::string> read() override {
    while (host_.console.empty()) co_await host_.changed.wait();
    co_return std::exchange(host_.console, {});
  }

 private:
  FakeHost& host_;
};

class FakeParts final : public machine::Parts {
 public:
  explicit FakeParts(FakeHost& host) : host_(host) {}

  std::unique_ptr<machine::Share> serve_share(const vmspec::ShareSpec&, std::size_t number) override {
    if (host_.share_failure) throw Error(*host_.share_failure);
    return std::make_unique<FakeShare>(host_, "/fake/fs" + std::to_string(number) + ".sock");
  }
  boost::asio::awaitable<std::unique_ptr<machine::NetworkLease>> take_lease() override {
    if (!host_.has_network) co_return nullptr;
    while (!host_.lease_comes) co_await host_.changed.wait();
    co_return std::make_unique<FakeLease>(host_);
  }
  std::unique_ptr<machine::LinkTransport> make_transport() override {
    return host_.guest.make_transport(host_.waits_for_guest);
  }
  std::unique_ptr<hypervisor::Hypervisor> make_vmm(const std::vector<std::string>&,
                                                   const machine::NetworkLease*) override {
    return std::make_unique<FakeVm>(host_);
  }
  std::unique_ptr<machine::Console> open_console() override { return std::make_unique<FakeConsole>(host_); }
  boost::asio::awaitable<void> clock_jumped() override {
    while (host_.clock_jumps == 0) co_await host_.changed.wait();
    --host_.clock_jumps;
  }
  void watch(const std::string& role, pid_t pid) noexcept override { host_.watched.emplace(role, pid); }

 private:
  FakeHost& host_;
};

}  // namespace agentvm::test
