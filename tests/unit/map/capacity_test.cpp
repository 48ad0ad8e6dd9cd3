// capacity_test.cpp - how many VMs run at once when nobody says.
#include "launcher/map/capacity.hpp"

#include <doctest/doctest.h>

#include "tests/unit/has.hpp"

using namespace agentvm::batch;
using agentvm::test::has;

namespace {

constexpr std::uint64_t one_gib = std::uint64_t{1} << 30;

unsigned jobs_for(std::size_t tasks, std::uint64_t largest, Capacity capacity) {
  std::vector<PreparedTask> all(tasks);
  if (!all.empty()) all.back().memory_bytes = largest;
  return default_jobs(all, capacity).jobs;
}

}  // namespace

TEST_CASE("as many as there are CPUs and as fit into the memory") {
  CHECK(jobs_for(100, 4 * one_gib, {8, 64 * one_gib}) == 8);
  CHECK(jobs_for(100, 4 * one_gib, {8, 20 * one_gib}) == 4);
  CHECK(jobs_for(3, 4 * one_gib, {8, 64 * one_gib}) == 3);
  CHECK(jobs_for(3, 4 * one_gib, {8, one_gib}) == 1);
  CHECK(jobs_for(0, 0, {8, 64 * one_gib}) == 1);
}

TEST_CASE("the reason names what was counted") {
  std::vector<PreparedTask> tasks(1);
  tasks[0].memory_bytes = 4 * one_gib;
  CHECK(has(default_jobs(tasks, {2, 21 * one_gib}).reason, "2 CPUs, and 21 GiB of memory for VMs of 4 GiB"));
  const Capacity here = capacity_here();
  CHECK(here.cpus >= 1);
  CHECK(here.memory_bytes > 0);
}
