// memory_of.cpp - smaps_rollup of each process.
#include "launcher/pool/memory_of.hpp"

#include <set>
#include <sstream>
#include <string>

#include "base/error.hpp"
#include "base/file.hpp"

namespace agentvm::pool {

std::uint64_t memory_of(const std::vector<state::ProcessRecord>& processes) {
  std::uint64_t kibibytes = 0;
  std::set<int> seen;
  for (const state::ProcessRecord& process : processes) {
    if (!seen.insert(process.pid).second) continue;
    std::string text;
    try {
      text = read_file_if_exists("/proc/" + std::to_string(process.pid) + "/smaps_rollup").value_or("");
    } catch (const Error&) {
      continue;
    }
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
      if (line.starts_with("Pss:")) kibibytes += std::stoull(line.substr(4));
    }
  }
  return kibibytes << 10;
}

}  // namespace agentvm::pool
