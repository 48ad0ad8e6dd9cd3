// host_keepers.hpp - keepers as processes of this host.
#pragma once

#include "launcher/pool/server.hpp"
#include "launcher/state/vm_directory.hpp"

namespace agentvm::pool {

class HostKeepers final : public Keepers {
 public:
  explicit HostKeepers(state::Roots roots) : roots_(std::move(roots)) {}

  KeeperProcess start(const PoolConfig& pool) override;
  std::vector<std::pair<std::string, KeeperProcess>> find() override;

 private:
  state::Roots roots_;
};

/// "pool-NAME-" and six hexadecimal digits.
std::string new_member_name(const std::string& pool);
/// The pool of such a name; "": it is none.
std::string pool_of_member(const std::string& name);

}  // namespace agentvm::pool
