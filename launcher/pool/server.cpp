// server.cpp - keeping pools full, and knowing their VMs.
#include "launcher/pool/server.hpp"

#include <fmt/format.h>
#include <signal.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/async/readable.hpp"
#include "base/async/within.hpp"
#include "base/error.hpp"
#include "base/file.hpp"
#include "base/process.hpp"
#include "base/unix_time.hpp"

namespace agentvm::pool {

namespace asio = boost::asio;
using namespace std::chrono_literals;

namespace {

/// After the first VM that did not come up, and the longest after many.
constexpr auto first_rest = 1s;
constexpr auto longest_rest = 60s;
/// For the end of a VM that is not wanted any more.
constexpr auto end_limit = 30s;

}  // namespace

Server::Server(asio::any_io_executor executor, ServerOptions options, Keepers& keepers, Clock& clock)
    : executor_(executor),
      options_(std::move(options)),
      keepers_(keepers),
      clock_(clock),
      changed_(executor),
      planner_(executor),
      tasks_(executor, [](const std::exception_ptr& failure) {
        try {
          std::rethrow_exception(failure);
        } catch (const std::exception& error) {
          spdlog::error("{}", error.what());
        }
      }) {
  for (const PoolConfig& config : options_.config.pools) pools_.push_back({.config = config});
}

asio::awaitable<void> Server::serve() {
  for (auto& [name, process] : keepers_.find(options_.config.pools)) {
    if (Pool* pool = find(name)) {
      spdlog::info("found {} of the pool {}", process.name, name);
      adopt(*pool, std::move(process));
    } else {
      // Of a pool that is no more: its keeper ends when nobody asks for it.
      LineSocket(std::move(process.connection)).write("retire", nlohmann::json::object());
    }
  }
  tasks_.spawn(accept());
  tasks_.spawn(retire_old());
  tasks_.spawn(learn_shapes());
  if (!options_.metrics_file.empty()) tasks_.spawn(write_metrics());
  fill();
  while (!ending_) co_await changed_.wait();
  co_await shielded();
  auto joined = tasks_.join();
  co_await std::move(joined);
}

void Server::end() noexcept {
  ending_ = true;
  changed_.notify();
}

void Server::changed() noexcept {
  changed_.notify();
}

Pool* Server::find(const std::string& name) {
  const auto found =
      std::find_if(pools_.begin(), pools_.end(), [&](const Pool& pool) { return pool.config.name == name; });
  return found == pools_.end() ? nullptr : &*found;
}

void Server::adopt(Pool& pool, KeeperProcess process) {
  auto member = std::make_shared<Member>();
  member->name = process.name;
  member->connection = std::make_shared<LineSocket>(std::move(process.connection));
  member->pidfd = std::move(process.pidfd);
  member->state.phase = "booting";
  member->state.born_unix_ms = unix_ms();
  pool.members.push_back(member);
  tasks_.spawn(follow(pool, member));
}

void Server::fill() {
  std::size_t booting = 0;
  for (const Pool& pool : pools_) booting += pool.count("booting");
  for (Pool& pool : pools_) {
    while (!ending_ && !pool.draining && booting < options_.config.boots_at_once &&
           pool.count("idle") + pool.count("booting") < pool.config.size) {
      if (clock_.now() < pool.no_boot_before) {
        if (!std::exchange(pool.refill_waits, true)) tasks_.spawn(refill_later(pool));
        break;
      }
      try {
        adopt(pool, keepers_.start(pool.config));
        ++booting;
      } catch (const Error& error) {
        spdlog::error("the pool {}: {}", pool.config.name, error.what());
        pool.last_failure = error.what();
        pool.no_boot_before = clock_.after(longest_rest);
      }
    }
    // More than are wanted: the oldest go.
    std::size_t idle = pool.count("idle");
    for (const auto& member : pool.members) {
      const unsigned wanted = pool.draining ? 0 : pool.config.size;
      if (idle <= wanted) break;
      if (!member->is_ready()) continue;
      retire(member);
      --idle;
    }
  }
  changed();
}

void Server::retire(const std::shared_ptr<Member>& member) {
  member->state.phase = "ending";
  member->wanted = false;
  try {
    member->connection->write("retire", nlohmann::json::object());
  } catch (const Error& error) {
    spdlog::warn("{}: {}", member->name, error.what());  // its end is told where it is read
  }
  tasks_.spawn(see_end(member));
}

asio::awaitable<void> Server::see_end(std::shared_ptr<Member> member) {
  const auto gone = [](Server& self, std::shared_ptr<Member> of) -> asio::awaitable<void> {
    while (of->state.phase != "gone") co_await self.changed_.wait();
  };
  auto going = gone(*this, member);
  auto in_time = ended_within(clock_, end_limit, std::move(going));
  if (co_await std::move(in_time) || !member->pidfd) co_return;
  spdlog::warn("{} does not end, so its keeper is killed", member->name);
  signal_pidfd(member->pidfd.get(), SIGKILL);  // its reaper cleans up
}

asio::awaitable<void> Server::refill_later(Pool& pool) {
  while (clock_.now() < pool.no_boot_before) {
    auto pause = clock_.sleep_until(pool.no_boot_before);
    co_await std::move(pause);
  }
  pool.refill_waits = false;
  fill();
}

asio::awaitable<void> Server::follow(Pool& pool, std::shared_ptr<Member> member) {
  std::string why = "its keeper went away";
  try {
    for (;;) {
      auto reading = member->connection->read();
      std::optional<Message> message = co_await std::move(reading);
      if (!message) break;
      if (message->name == "state") {
        take_state(pool, *member, keeper_state_from_json(message->body));
      } else if (message->name == "failed") {
        member->refusal = text_in(message->body, "sentence");
        why = member->refusal;
        member->given = false;
      }
      changed();
    }
  } catch (const Error& error) {
    why = error.what();
  }
  if (member->asked && !member->given) member->given = false;
  if (member->wanted) {
    ++pool.failures;
    ++pool.failures_in_a_row;
    pool.last_failure = fmt::format("{}: {}", member->name, why);
    spdlog::warn("the pool {} lost {}", pool.config.name, pool.last_failure);
    const auto rest = std::min<std::chrono::milliseconds>(
        longest_rest, first_rest * (1U << std::min(pool.failures_in_a_row - 1, 6U)));
    pool.no_boot_before = clock_.after(rest);
  } else {
    spdlog::info("{} of the pool {} has ended", member->name, pool.config.name);
  }
  member->state.phase = "gone";
  pool.members.remove(member);
  fill();
}

void Server::take_state(Pool& pool, Member& member, KeeperState state) {
  const std::string before = std::exchange(member.state, std::move(state)).phase;
  const std::string& now = member.state.phase;
  if (before == now) return;
  if (now == "idle") {
    pool.failures_in_a_row = 0;
    if (member.state.boot_ms > 0) pool.refill_ms.add(member.state.boot_ms);
    spdlog::info("{} of the pool {} is idle after {} ms", member.name, pool.config.name, member.state.boot_ms);
  }
  if (now == "claimed") member.wanted = false;
  if (now == "claimed" && member.asked) {
    member.given = true;
    const auto took = std::chrono::duration_cast<std::chrono::microseconds>(clock_.now() - *member.asked);
    pool.claim_us.add(took.count());
  }
  fill();
}

asio::awaitable<void> Server::retire_old() {
  for (;;) {
    auto pause = clock_.sleep(1s);
    co_await std::move(pause);
    const std::int64_t now = unix_ms();
    for (Pool& pool : pools_) {
      const std::int64_t age = pool.config.max_age.count();
      for (const auto& member : pool.members) {
        if (!member->is_ready()) continue;
        const bool old = age != 0 && now - member->state.born_unix_ms >= age;
        const bool unfit = pool.shape && member->state.shape != *pool.shape;
        if (!old && !unfit) continue;
        spdlog::info("{} of the pool {} is {}", member->name, pool.config.name,
                     old ? "too old" : "not what the pool's VMs are now");
        retire(member);
        fill();
        break;  // one in a second: the pool is never emptied by that
      }
    }
  }
}

asio::awaitable<void> Server::learn_shapes() {
  for (Pool& pool : pools_) {
    if (pool.members.empty()) continue;  // all of its VMs are still to come
    try {
      auto planning = planner_.run([this, config = pool.config] { return keepers_.shape(config); });
      pool.shape = co_await std::move(planning);
    } catch (const Error& error) {
      spdlog::warn("the pool {}: whether the VMs that were found are what it wants is not known: {}", pool.config.name,
                   error.what());
    }
  }
}

asio::awaitable<void> Server::write_metrics() {
  for (;;) {
    try {
      write_file_atomic(options_.metrics_file, metrics(), 0644);
    } catch (const Error& error) {
      spdlog::warn("the metrics are not written: {}", error.what());
    }
    co_await changed_.wait();
    auto pause = clock_.sleep(1s);
    co_await std::move(pause);
  }
}

}  // namespace agentvm::pool
