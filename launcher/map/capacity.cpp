// capacity.cpp - asks the kernel, and divides.
#include "launcher/map/capacity.hpp"

#include <fmt/format.h>
#include <sched.h>

#include <algorithm>
#include <cstdlib>

#include "base/file.hpp"
#include "launcher/terminal/output.hpp"

namespace agentvm::batch {

Capacity capacity_here() {
  Capacity here;
  cpu_set_t cpus;
  if (sched_getaffinity(0, sizeof cpus, &cpus) == 0) here.cpus = static_cast<unsigned>(std::max(1, CPU_COUNT(&cpus)));
  const std::string text = read_file_if_exists("/proc/meminfo", 1 << 16).value_or("");
  const auto found = text.find("MemAvailable:");
  if (found != std::string::npos) {
    here.memory_bytes = std::strtoull(text.c_str() + found + sizeof("MemAvailable:") - 1, nullptr, 10) * 1024;
  }
  return here;
}

JobCount default_jobs(const std::vector<PreparedTask>& tasks, const Capacity& capacity) {
  std::uint64_t largest = 1;
  for (const PreparedTask& task : tasks) largest = std::max(largest, task.memory_bytes);
  const std::uint64_t fitting = capacity.memory_bytes / (largest + overhead_bytes);
  const std::uint64_t most = std::max<std::uint64_t>(1, tasks.size());
  JobCount count;
  count.jobs =
      static_cast<unsigned>(std::clamp<std::uint64_t>(std::min<std::uint64_t>(capacity.cpus, fitting), 1, most));
  count.reason = fmt::format("{} CPU{}, and {} of memory for VMs of {}", capacity.cpus, capacity.cpus == 1 ? "" : "s",
                             commands::human_bytes(capacity.memory_bytes), commands::human_bytes(largest));
  return count;
}

}  // namespace agentvm::batch
