// config.hpp - the file that says which pools a machine keeps.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "launcher/pool/cgroup.hpp"
#include "vmspec/profile/problem.hpp"

namespace agentvm::pool {

/// [pools.NAME]
struct PoolConfig {
  std::string name;                      ///< [a-z0-9][a-z0-9-]{0,23}
  std::string profile;                   ///< as `agentvm run --profile` takes it; "": the pool's own name
  unsigned size = 1;                     ///< idle VMs to keep, 0..1000
  std::chrono::milliseconds max_age{0};  ///< an idle VM that is older is replaced; 0: never
  VmLimits limits = {};                  ///< of each VM; with agentvm-poold --cgroup alone
  bool operator==(const PoolConfig&) const = default;
};

struct Config {
  std::vector<PoolConfig> pools;      ///< in the file's order of names
  unsigned boots_at_once = 2;         ///< of all pools together, 1..64
  unsigned vms_per_user = 16;         ///< claimed at once by one uid, root too; 0: no limit
  std::uint64_t memory_per_user = 0;  ///< bytes of claimed VMs of one uid; 0: no limit
  bool operator==(const Config&) const = default;
};

/// Reads a TOML text; `file` is its name in problems. What is wrong is added to `problems`, all of it.
Config parse_config(std::string_view text, const std::string& file, std::vector<vmspec::Problem>& problems);
/// Largest file, bytes.
inline constexpr std::size_t max_config = std::size_t{1} << 20;

}  // namespace agentvm::pool
