// vm_record.hpp - one VM as `ls` shows it.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "launcher/state/vm_directory.hpp"

namespace agentvm::commands {

struct VmRecord {
  std::string name;
  std::string condition;  ///< a phase of VmState, "stopped" or "dead"
  std::string profile;
  std::string workspace;
  std::int64_t uptime_ms = -1;  ///< of a living one; -1: it is not, or unknown
  std::string agent;            ///< "codex", or a command's first word; with its exit code once it has ended
  std::string uuid;
};

/// From the files in the VM's state directory; asks nobody.
VmRecord vm_record(const state::VmPaths& paths);
std::string record_table(const std::vector<VmRecord>& records, bool color = false);
nlohmann::json to_json(const VmRecord& record);

}  // namespace agentvm::commands
