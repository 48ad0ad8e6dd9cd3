// pool.hpp - one pool's VMs as poold sees them, and what it counts.
#pragma once

#include <chrono>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/async/clock.hpp"
#include "base/unique_fd.hpp"
#include "launcher/claim/line_socket.hpp"
#include "launcher/claim/messages.hpp"
#include "launcher/pool/config.hpp"
#include "launcher/pool/quantiles.hpp"
#include "vmspec/plan/pooled.hpp"

namespace agentvm::pool {

/// A VM's keeper, started by this poold or found by it.
struct Member {
  std::string name;
  std::shared_ptr<LineSocket> connection;
  KeeperState state;
  UniqueFd pidfd;                    ///< of the keeper: one that does not answer is killed, and its reaper cleans up
  std::optional<Clock::Time> asked;  ///< a claim is under way, or was
  std::uint32_t asked_by = 0;        ///< uid
  std::optional<bool> given;         ///< what came of it
  std::string refusal;
  bool wanted = true;  ///< false: we have told it to go, or it went with whoever had it

  bool is_ready() const { return state.phase == "idle" && !asked; }
  /// Whether it is this user's, or is being given to it.
  bool is_of(std::uint32_t uid) const;
};

struct Pool {
  PoolConfig config;
  std::list<std::shared_ptr<Member>> members;
  bool draining = false;
  /// What its VMs are by now; idle ones of another shape, of an older system, are replaced. nullopt: not known yet.
  std::optional<vmspec::MachineShape> shape;

  // Counted since poold's start.
  std::uint64_t hits = 0;      ///< claims that got a VM
  std::uint64_t misses = 0;    ///< claims of a fitting VM that got none
  std::uint64_t failures = 0;  ///< keepers that ended without a claim
  std::string last_failure;
  unsigned failures_in_a_row = 0;
  Clock::Time no_boot_before{};
  bool refill_waits = false;  ///< for that time
  Quantiles claim_us;         ///< from a claim to its VM
  Quantiles refill_ms;        ///< from a keeper's start to an idle VM

  /// Users who found it empty, and when: one of the next VMs is theirs.
  std::map<std::uint32_t, Clock::Time> turned_away;

  std::size_t count(const char* phase) const;
  /// Idle VMs that nobody is being given.
  std::size_t ready() const;
  /// VMs that a user has or is being given.
  std::size_t held_by(std::uint32_t uid) const;
  /// Idle VMs that this user is not to have: each belongs to somebody with fewer, who was turned away since `since`.
  std::size_t kept_from(std::uint32_t uid, Clock::Time since) const;
  /// Of its idle VMs.
  std::uint64_t idle_memory() const;
};

}  // namespace agentvm::pool
