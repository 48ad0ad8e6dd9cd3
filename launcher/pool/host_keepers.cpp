// host_keepers.cpp - starts agentvm-keeper, and finds those of an earlier poold.
#include "launcher/pool/host_keepers.hpp"

#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>

#include "base/error.hpp"
#include "base/process.hpp"
#include "base/unix_socket.hpp"
#include "launcher/host/own_program.hpp"
#include "launcher/run/pooled_plan.hpp"
#include "launcher/state/identity.hpp"

namespace agentvm::pool {

namespace {

constexpr std::string_view prefix = "pool-";
constexpr std::size_t digits = 6;

}  // namespace

std::string new_member_name(const std::string& pool) {
  return std::string(prefix) + pool + "-" + state::random_machine_id().substr(0, digits);
}

std::string pool_of_member(const std::string& name) {
  if (!name.starts_with(prefix) || name.size() < prefix.size() + 1 + 1 + digits) return {};
  const std::size_t dash = name.size() - digits - 1;
  const bool hex = name.find_first_not_of("0123456789abcdef", dash + 1) == std::string::npos;
  return name[dash] == '-' && hex ? name.substr(prefix.size(), dash - prefix.size()) : std::string();
}

KeeperProcess HostKeepers::start(const PoolConfig& pool) {
  KeeperProcess process{.name = new_member_name(pool.name), .connection = {}, .pidfd = {}};
  auto [ours, theirs] = socket_pair();
  ChildProcess child = spawn({.program = host::own_program("agentvm-keeper"),
                              .args = {process.name, pool.profile},
                              .directory = "/",
                              .stdout_fd = STDERR_FILENO,
                              .stderr_fd = STDERR_FILENO,
                              .numbered = {theirs.get()},
                              .new_session = true,
                              .die_with_parent = false});
  process.pidfd = open_pidfd(child.pid());
  // Before it has children: it plans for some milliseconds. Thrown from here, the child ends with its handle.
  if (cgroups_) cgroups_->put(process.name, child.pid(), pool.limits);
  child.release();
  process.connection = std::move(ours);
  return process;
}

std::vector<std::pair<std::string, KeeperProcess>> HostKeepers::find(const std::vector<PoolConfig>& pools) {
  if (cgroups_) cgroups_->sweep();
  std::vector<std::pair<std::string, KeeperProcess>> found;
  for (const std::string& name : state::list_vms(roots_)) {
    const std::string pool = pool_of_member(name);
    if (pool.empty()) continue;
    const state::VmPaths paths = state::vm_paths(roots_, name);
    if (!state::is_alive(paths)) {
      // What a keeper left that was killed together with its reaper.
      const state::SweepResult swept = state::sweep(paths, false);
      for (const std::string& failure : swept.failed) spdlog::warn("{}: {}", name, failure);
      continue;
    }
    try {
      UniqueFd connection = connect_unix(paths.keeper_socket());
      const auto config =
          std::find_if(pools.begin(), pools.end(), [&](const PoolConfig& each) { return each.name == pool; });
      if (cgroups_ && config != pools.end()) cgroups_->limit(name, config->limits);
      UniqueFd pidfd = open_pidfd(static_cast<pid_t>(peer_of(connection.get()).pid));
      found.emplace_back(pool, KeeperProcess{name, std::move(connection), std::move(pidfd)});
    } catch (const Error& error) {
      spdlog::warn("the keeper of {} does not answer: {}", name, error.what());
    }
  }
  return found;
}

vmspec::MachineShape HostKeepers::shape(const PoolConfig& pool) {
  return vmspec::shape_of(commands::plan_pooled(new_member_name(pool.name), pool.profile, roots_).spec);
}

}  // namespace agentvm::pool
