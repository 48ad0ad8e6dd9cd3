// keeper.cpp - a pooled VM's life, and who it may end by.
#include "launcher/pool/keeper.hpp"

#include <signal.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

#include "base/async/race.hpp"
#include "base/async/readable.hpp"
#include "base/async/within.hpp"
#include "base/error.hpp"
#include "base/file.hpp"
#include "base/unix_time.hpp"
#include "launcher/machine/share_server.hpp"
#include "launcher/pool/memory_of.hpp"

namespace agentvm::pool {

namespace asio = boost::asio;

namespace {

const char* word_of(machine::Ending::Cause cause) noexcept {
  using Cause = machine::Ending::Cause;
  switch (cause) {
    case Cause::powered_off:
      return "powered_off";
    case Cause::crashed:
      return "crashed";
    case Cause::vmm_died:
      return "vmm_died";
    case Cause::killed:
    case Cause::link_lost:
    case Cause::share_lost:
    case Cause::network_lost:
      return "killed";
  }
  return "killed";
}

}  // namespace

Keeper::Keeper(asio::any_io_executor executor, const vmspec::VmSpec& spec, const state::VmPaths& paths,
               state::Record& record, machine::Parts& parts, Clock& clock, UniqueFd poold, UniqueFd listener,
               int guard_fd, KeeperLimits limits)
    : executor_(executor),
      spec_(spec),
      paths_(paths),
      record_(record),
      clock_(clock),
      listener_(std::move(listener)),
      guard_fd_(guard_fd),
      limits_(limits),
      changed_(executor),
      state_{.name = spec.name, .phase = "booting", .born_unix_ms = unix_ms(), .shape = vmspec::shape_of(spec)},
      machine_(executor, spec, parts, clock,
               [](const std::string&, const std::string& text) { spdlog::debug("{}", text); }),
      tasks_(executor, [this](const std::exception_ptr& failure) {
        try {
          std::rethrow_exception(failure);
        } catch (const std::exception& error) {
          end(error.what(), true);
        }
      }) {
  if (poold) poolds_.push_back(std::make_shared<LineSocket>(std::move(poold)));
}

asio::awaitable<int> Keeper::live() {
  enter("booting");
  tasks_.spawn(watch_signals());
  if (guard_fd_ >= 0) tasks_.spawn(watch_guard());
  tasks_.spawn(watch_machine());
  tasks_.spawn(accept_poolds());
  tasks_.spawn(watch_orphanhood());
  for (const auto& poold : poolds_) tasks_.spawn(serve_poold(poold));
  auto working = work();
  auto asked = [](Keeper& self) -> asio::awaitable<void> {
    while (!self.why_) co_await self.changed_.wait();
  };
  auto ended = asked(*this);
  auto first = race(std::move(working), std::move(ended));
  co_await std::move(first);
  spdlog::info("{}: {}", spec_.name, why_.value_or("ended"));
  enter("ending");
  auto told = tell_end();
  co_await std::move(told);
  auto down = machine_.take_down();
  co_await std::move(down);
  auto joined = tasks_.join();
  co_await std::move(joined);
  co_return failed_ ? 1 : 0;
}

asio::awaitable<void> Keeper::work() {
  std::optional<std::string> failure;
  try {
    auto booted = machine_.boot();
    co_await std::move(booted);
    guest::GuestSetup setup;
    // No inode_limit: with the claim it comes. Nothing runs that would look files up, and watching for it is work.
    for (const auto& share : spec_.shares) setup.mounts.push_back({share.tag, share.mount_point, share.read_only});
    auto set_up = machine_.set_up(std::move(setup));
    co_await std::move(set_up);
    state_.boot_ms = unix_ms() - state_.born_unix_ms;
    state_.memory_bytes = memory_of(record_.state().processes);
    enter("idle");
    tasks_.spawn(watch_memory());
    while (!caller_) co_await changed_.wait();
    enter("claimed");
    auto served = serve_caller();
    co_await std::move(served);
  } catch (const std::exception& error) {
    failure = error.what();
  }
  if (failure)
    end(*failure, true);
  else
    end("whoever had it went away", false);
}

void Keeper::end(std::string why, bool failed) {
  if (why_) return;
  why_ = std::move(why);
  failed_ = failed;
  changed_.notify();
}

void Keeper::enter(const std::string& phase) {
  state_.phase = phase;
  record_.enter(phase == "idle" || phase == "claimed" ? "pooled" : phase == "ending" ? "stopping" : phase);
  tell();
  changed_.notify();
}

void Keeper::tell() noexcept {
  for (const auto& poold : poolds_) {
    try {
      poold->write("state", to_json(state_));
    } catch (const std::exception& error) {
      spdlog::warn("a poold is not told: {}", error.what());
    }
  }
}

asio::awaitable<void> Keeper::tell_end() {
  co_await shielded();
  if (!caller_) co_return;
  // Killed or crashed, the VM itself tells it first.
  auto ended = ended_within(clock_, std::chrono::milliseconds(0), machine_.ended());
  co_await std::move(ended);
  const auto& ending = machine_.ending();
  try {
    caller_->write("ended", to_json(ending ? Ended{word_of(ending->cause), ending->words}
                                           : Ended{"killed", why_.value_or("the VM was killed")}));
  } catch (const std::exception&) {
    // Nobody is there who could hear it.
  }
}

asio::awaitable<void> Keeper::accept_poolds() {
  for (;;) {
    const auto error = co_await readable(listener_.get());
    if (error) co_return;
    UniqueFd connection(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!connection || peer_uid(connection.get()) != geteuid()) continue;
    auto poold = std::make_shared<LineSocket>(std::move(connection));
    poolds_.push_back(poold);
    changed_.notify();
    tell();
    tasks_.spawn(serve_poold(std::move(poold)));
  }
}

asio::awaitable<void> Keeper::serve_poold(std::shared_ptr<LineSocket> connection) {
  try {
    for (;;) {
      auto reading = connection->read();
      std::optional<Message> message = co_await std::move(reading);
      if (!message) break;
      if (message->name == "claim") {
        auto given = give_away(std::move(*message), connection);
        co_await std::move(given);
      } else if (message->name == "retire") {
        if (!caller_ && !giving_) end("it is not wanted any more", false);
      } else {
        throw Error("a poold asked for \"" + message->name + "\"");
      }
    }
  } catch (const Error& error) {
    spdlog::warn("{}", error.what());
  }
  poolds_.remove(connection);
  changed_.notify();
}

asio::awaitable<void> Keeper::give_away(Message claim, std::shared_ptr<LineSocket> from) {
  std::string refusal;
  if (state_.phase != "idle" || giving_ || claim.fds.size() != 1) refusal = "the VM is " + state_.phase;
  if (refusal.empty()) {
    giving_ = true;
    try {
      auto connection = std::make_shared<LineSocket>(std::move(claim.fds.front()));
      const std::uint64_t wanted = number_in(claim.body, "listeners", most_listeners);
      std::vector<UniqueFd> listeners;
      for (std::uint64_t index = 0; index < wanted; ++index) {
        // Behind the pool's own shares.
        plugged_.push_back({paths_.share_socket(spec_.shares.size() + index)});
        listeners.push_back(workspace::listen_for_share(plugged_.back().socket));
      }
      auto handed = machine_.hand_over();
      auto in_time = within(clock_, limits_.hand_over, "the guest to be handed over", std::move(handed));
      const machine::LinkStreams streams = co_await std::move(in_time);
      std::vector<int> fds{streams.control.get(), streams.services.get()};
      for (const UniqueFd& listener : listeners) fds.push_back(listener.get());
      connection->write("claimed", to_json(Claimed{spec_, streams.shared}), fds);
      state_.caller = peer_uid(connection->fd());
      caller_ = std::move(connection);
    } catch (const std::exception& error) {
      refusal = error.what();
    }
  }
  if (refusal.empty()) {
    changed_.notify();
    co_return;
  }
  from->write("failed", {{"sentence", refusal}});
  end(refusal, true);
}

}  // namespace agentvm::pool
