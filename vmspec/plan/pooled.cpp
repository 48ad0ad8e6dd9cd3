// pooled.cpp - a plan without a run, and a run on a VM that is there.
#include "vmspec/plan/pooled.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "vmspec/described_json.hpp"
#include "vmspec/plan/nix_guest.hpp"
#include "vmspec/plan/planner.hpp"
#include "vmspec/profile/units.hpp"

namespace agentvm::vmspec {

BOOST_DESCRIBE_STRUCT(MachineShape, (), (vcpus, memory_bytes, disk_bytes, system))

namespace {

/// Of NixOS the closure, which the kernel is told; of the host its kernel.
std::string system_of(const VmSpec& spec) {
  if (spec.image.kind == GuestKind::host) return "the host's own under Linux " + spec.image.kernel_version;
  const auto init = std::find_if(spec.image.kernel_params.begin(), spec.image.kernel_params.end(),
                                 [](const std::string& word) { return word.starts_with("init="); });
  return "NixOS" + (init == spec.image.kernel_params.end() ? std::string() : " " + init->substr(5)) +
         (spec.image.store_disk.empty() ? " on the host's store" : " on a store of its own");
}

}  // namespace

MachineShape shape_of(const VmSpec& spec) {
  return {spec.vcpus, spec.memory_bytes, spec.disk_bytes, system_of(spec)};
}

std::string shape_difference(const MachineShape& run, const MachineShape& pooled) {
  const auto differ = [](const std::string& theirs, const std::string& ours) {
    return fmt::format("the pool's VMs have {}, and this run wants {}", theirs, ours);
  };
  if (run.vcpus != pooled.vcpus) return differ(fmt::format("{} CPUs", pooled.vcpus), fmt::format("{}", run.vcpus));
  if (run.memory_bytes != pooled.memory_bytes)
    return differ(format_size(pooled.memory_bytes) + " of memory", format_size(run.memory_bytes));
  if (run.disk_bytes != pooled.disk_bytes)
    return differ(format_size(pooled.disk_bytes) + " of disk", format_size(run.disk_bytes));
  return run.system == pooled.system ? "" : differ("the system " + pooled.system, run.system);
}

VmSpec Planner::run_pooled() {
  refuse_missing_engines();
  identity();
  hypervisor();
  machine();
  programs();
  kernel();
  system_share();
  // Boots of nobody's time: a port for a workspace, an agent, a card and some exposed directories.
  spec_.spare_ports = 8;
  // It waits for hours: what booting took need not.
  spec_.gives_memory_back = true;
  return std::move(spec_);
}

VmSpec make_pooled_spec(const Profile& profile, const HostFacts& facts, const RunRequest& request,
                        std::vector<Problem>& problems) {
  return Planner(profile, facts, request, problems).run_pooled();
}

unsigned shares_of_run(const VmSpec& run) {
  return static_cast<unsigned>(std::count_if(run.shares.begin(), run.shares.end(), [](const ShareSpec& share) {
    return share.tag != system_tag && share.tag != store_tag;
  }));
}

void move_into(VmSpec& run, const std::string& pool, const VmSpec& pooled, bool shared_links) {
  PooledVm vm{.pool = pool, .name = pooled.name, .shares = {}, .shared_links = shared_links};
  for (const ShareSpec& share : pooled.shares) vm.shares.push_back(share.tag);
  GuestImage image = pooled.image;
  image.path = run.image.path;
  image.devshell_root = run.image.devshell_root;
  run.image = std::move(image);
  run.hypervisor = pooled.hypervisor;
  run.accelerator = pooled.accelerator;
  run.emulator = pooled.emulator;
  run.connect = pooled.connect;
  run.gives_memory_back = pooled.gives_memory_back;
  run.pooled = std::move(vm);
  run.notes.push_back(fmt::format("The VM is {} of the pool {}, which was booted before.", pooled.name, pool));
}

nlohmann::json to_json(const MachineShape& shape) {
  return DescribedJson::write(shape);
}

MachineShape machine_shape_from_json(const nlohmann::json& json) {
  MachineShape shape;
  DescribedJson::read(json, "shape", shape);
  return shape;
}

}  // namespace agentvm::vmspec
