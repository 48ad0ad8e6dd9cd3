// server_callers.cpp - what callers ask of agentvm-poold.
#include <fmt/format.h>
#include <signal.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/async/readable.hpp"
#include "base/async/within.hpp"
#include "base/error.hpp"
#include "base/process.hpp"
#include "launcher/pool/server.hpp"
#include "vmspec/profile/problem.hpp"
#include "vmspec/profile/units.hpp"

namespace agentvm::pool {

namespace asio = boost::asio;
using namespace std::chrono_literals;

namespace {

/// From a caller's connection to its question.
constexpr std::chrono::milliseconds question_limit{5'000};
/// From a claim to a keeper's word; its own limit is two seconds.
constexpr std::chrono::milliseconds keeper_limit{4'000};
/// Callers at once, and of one user: nobody keeps the others out by coming often.
constexpr std::size_t most_callers = 1024;
constexpr std::size_t most_callers_of_one = 128;
/// For so long a VM is kept for somebody who found the pool empty.
constexpr auto kept_for = 60s;
/// Out of descriptors: a pause lets callers go.
constexpr auto accept_rest = 200ms;

void refuse(LineSocket& caller, const char* reason, std::string sentence) {
  caller.write("refused", to_json(Refusal{reason, std::move(sentence)}));
}

}  // namespace

asio::awaitable<void> Server::accept() {
  for (;;) {
    const auto error = co_await readable(options_.listener.get());
    if (error) co_return;
    UniqueFd connection(accept4(options_.listener.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!connection) {
      auto pause = clock_.sleep(accept_rest);
      co_await std::move(pause);
      continue;
    }
    const std::uint32_t uid = peer_uid(connection.get());
    if (tasks_.size() < most_callers && callers_[uid] < most_callers_of_one)
      tasks_.spawn(answer(std::move(connection), uid));
    else
      spdlog::warn("a caller of uid {} is turned away: it has {} connections", uid, callers_[uid]);
  }
}

asio::awaitable<void> Server::answer(UniqueFd connection, std::uint32_t uid) {
  const auto count_out = [this, uid](const void*) {
    if (--callers_[uid] == 0) callers_.erase(uid);
  };
  ++callers_[uid];
  const std::unique_ptr<void, decltype(count_out)> counted(this, count_out);
  LineSocket caller(std::move(connection));
  auto answered = answer(caller, uid);
  co_await std::move(answered);
}

asio::awaitable<void> Server::answer(LineSocket& caller, std::uint32_t uid) {
  try {
    auto reading = caller.read();
    auto asked = within(clock_, question_limit, "a question", std::move(reading));
    std::optional<Message> message = co_await std::move(asked);
    if (!message) co_return;
    if (message->name == "claim") {
      auto given = give(caller, claim_from_json(message->body));
      co_await std::move(given);
      co_return;
    }
    if (message->name == "resize" || message->name == "drain") {
      if (uid != 0 && uid != options_.own_uid) {
        refuse(caller, "permission", "only root and the pool's own user may change a pool");
        co_return;
      }
      const std::string name = text_in(message->body, "pool");
      Pool* const pool = find(name);
      if (pool == nullptr) {
        refuse(caller, "unknown", "there is no pool " + vmspec::quote_value(name));
        co_return;
      }
      if (message->name == "resize") {
        resize(*pool, static_cast<unsigned>(number_in(message->body, "size", 1000)));
      } else {
        pool->draining = true;
        fill();
        auto empty = drained(*pool);
        co_await std::move(empty);
      }
    } else if (message->name != "status") {
      refuse(caller, "unknown", "agentvm-poold cannot do " + vmspec::quote_value(message->name));
      co_return;
    }
    caller.write("status", status());
  } catch (const Error& error) {
    spdlog::info("a caller of uid {}: {}", uid, error.what());
  }
}

asio::awaitable<void> Server::give(LineSocket& caller, Claim claim) {
  const std::uint32_t uid = peer_uid(caller.fd());
  const auto start = clock_.now();
  Pool* const pool = find(claim.pool);
  if (pool == nullptr) {
    refuse(caller, "unknown", "there is no pool " + vmspec::quote_value(claim.pool));
    co_return;
  }
  if (const std::optional<Refusal> refused = refusal(uid, *pool)) {
    caller.write("refused", to_json(*refused));
    co_return;
  }
  std::string failure;
  for (;;) {
    const auto idle =
        std::find_if(pool->members.begin(), pool->members.end(), [](const auto& member) { return member->is_ready(); });
    if (idle == pool->members.end()) break;
    const std::shared_ptr<Member> member = *idle;
    if (std::string difference = shape_difference(claim.shape, member->state.shape); !difference.empty()) {
      refuse(caller, "shape", std::move(difference));
      co_return;
    }
    member->asked = start;
    member->asked_by = uid;
    try {
      member->connection->write("claim", {{"listeners", claim.listeners}}, {caller.fd()});
    } catch (const Error& error) {
      member->refusal = error.what();
      member->given = false;
    }
    const auto told = [](Server& self, std::shared_ptr<Member> of) -> asio::awaitable<void> {
      while (!of->given) co_await self.changed_.wait();
    };
    auto telling = told(*this, member);
    auto in_time = ended_within(clock_, keeper_limit, std::move(telling));
    const bool answered = co_await std::move(in_time);
    if (answered && *member->given) {
      member->state.caller = uid;
      pool->turned_away.erase(uid);
      ++pool->hits;
      fill();
      co_return;
    }
    // It is asked no more. A keeper that is only late has the caller's connection too, and must not answer on it when
    // the next one does.
    if (!answered && member->pidfd) signal_pidfd(member->pidfd.get(), SIGKILL);
    failure = answered ? member->refusal : "its keeper did not answer";
    spdlog::warn("{} of the pool {} was claimed in vain: {}", member->name, pool->config.name, failure);
    member->state.phase = "ending";
    if (!answered) member->connection->shut_down();
    fill();
  }
  ++pool->misses;
  pool->turned_away[uid] = clock_.now();
  changed();
  refuse(caller, pool->draining ? "ending" : "empty",
         pool->draining ? fmt::format("the pool {} is drained", pool->config.name)
                        : fmt::format("the pool {} has no VM that is ready{}", pool->config.name,
                                      failure.empty() ? "" : " (the last one: " + failure + ")"));
}

std::optional<Refusal> Server::refusal(std::uint32_t uid, Pool& pool) {
  if (std::string over = over_limit(uid, pool); !over.empty()) return Refusal{"limit", std::move(over)};
  const Clock::Time since = clock_.now() - kept_for;
  std::erase_if(pool.turned_away, [&](const auto& other) { return other.second < since; });
  const std::size_t ready = pool.ready();
  if (ready == 0 || ready > pool.kept_from(uid, since)) return std::nullopt;
  ++pool.misses;
  changed();
  return Refusal{"kept", fmt::format("what the pool {} has ready is kept for users who have fewer of its VMs and found "
                                     "it empty",
                                     pool.config.name)};
}

std::string Server::over_limit(std::uint32_t uid, const Pool& pool) const {
  std::size_t vms = 0;
  std::uint64_t memory = 0, one = 0;
  for (const Pool& each : pools_) {
    for (const auto& member : each.members) {
      if (&each == &pool) one = std::max(one, member->state.shape.memory_bytes);
      if (!member->is_of(uid)) continue;
      ++vms;
      memory += member->state.shape.memory_bytes;
    }
  }
  if (options_.config.vms_per_user != 0 && vms >= options_.config.vms_per_user)
    return fmt::format("uid {} has {} VMs of the pools, which is as many as one user may have", uid, vms);
  if (options_.config.memory_per_user != 0 && memory + one > options_.config.memory_per_user)
    return fmt::format("uid {} has VMs of the pools with {} of memory, and one user may have {}", uid,
                       vmspec::format_size(memory), vmspec::format_size(options_.config.memory_per_user));
  return {};
}

void Server::resize(Pool& pool, unsigned size) {
  pool.config.size = std::min(size, 1000U);
  pool.draining = false;
  fill();
}

asio::awaitable<void> Server::drained(const Pool& pool) {
  while (pool.count("idle") + pool.count("booting") + pool.count("ending") > 0) co_await changed_.wait();
}

}  // namespace agentvm::pool
