// pool.cpp - counting a pool's VMs.
#include "launcher/pool/pool.hpp"

#include <algorithm>

namespace agentvm::pool {

std::size_t Pool::count(const char* phase) const {
  return static_cast<std::size_t>(
      std::count_if(members.begin(), members.end(), [&](const auto& member) { return member->state.phase == phase; }));
}

bool Member::is_of(std::uint32_t uid) const {
  return state.phase == "claimed" ? state.caller == uid : state.phase == "idle" && asked && asked_by == uid;
}

std::size_t Pool::ready() const {
  return static_cast<std::size_t>(
      std::count_if(members.begin(), members.end(), [](const auto& member) { return member->is_ready(); }));
}

std::size_t Pool::held_by(std::uint32_t uid) const {
  return static_cast<std::size_t>(
      std::count_if(members.begin(), members.end(), [&](const auto& member) { return member->is_of(uid); }));
}

std::size_t Pool::kept_from(std::uint32_t uid, Clock::Time since) const {
  const std::size_t has = held_by(uid);
  return static_cast<std::size_t>(std::count_if(turned_away.begin(), turned_away.end(), [&](const auto& other) {
    return other.first != uid && other.second >= since && held_by(other.first) < has;
  }));
}

std::uint64_t Pool::idle_memory() const {
  std::uint64_t bytes = 0;
  for (const auto& member : members) {
    if (member->state.phase == "idle") bytes += member->state.memory_bytes;
  }
  return bytes;
}

}  // namespace agentvm::pool
