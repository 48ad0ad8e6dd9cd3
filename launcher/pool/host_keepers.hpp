// host_keepers.hpp - keepers as processes of this host.
#pragma once

#include <optional>

#include "launcher/pool/cgroup.hpp"
#include "launcher/pool/server.hpp"
#include "launcher/state/vm_directory.hpp"

namespace agentvm::pool {

class HostKeepers final : public Keepers {
 public:
  /// With `cgroups` each VM has one of its own, with its pool's limits.
  HostKeepers(state::Roots roots, std::optional<CgroupTree> cgroups)
      : roots_(std::move(roots)), cgroups_(std::move(cgroups)) {}

  KeeperProcess start(const PoolConfig& pool) override;
  std::vector<std::pair<std::string, KeeperProcess>> find(const std::vector<PoolConfig>& pools) override;
  vmspec::MachineShape shape(const PoolConfig& pool) override;

 private:
  state::Roots roots_;
  std::optional<CgroupTree> cgroups_;
};

/// "pool-NAME-" and six hexadecimal digits.
std::string new_member_name(const std::string& pool);
/// The pool of such a name; "": it is none.
std::string pool_of_member(const std::string& name);

}  // namespace agentvm::pool
