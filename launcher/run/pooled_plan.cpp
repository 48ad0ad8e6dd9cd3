// pooled_plan.cpp - a profile's machine on this host, for nobody yet.
#include "launcher/run/pooled_plan.hpp"

#include <spdlog/spdlog.h>

#include "launcher/host/facts.hpp"
#include "launcher/run/guest.hpp"
#include "launcher/run/plan.hpp"
#include "launcher/run/start.hpp"
#include "launcher/state/identity.hpp"
#include "vmspec/plan/pooled.hpp"

namespace agentvm::commands {

PooledPlan plan_pooled(const std::string& name, const std::string& profile_name, const state::Roots& roots) {
  const vmspec::Profile profile = load_profile(profile_name, {}, {}, WorkspaceTrust::narrow_only);
  GuestChoice guest = choose_guest(profile, roots);
  host::HeldDirectories exposed;
  vmspec::HostFacts facts = host::gather_facts({}, roots, HeldDirectory::resolve("/"), exposed);
  facts.nix_guest = std::move(guest.nix);
  if (facts.nix_guest && !facts.nix_guest->built) {
    facts.nix_guest = build_guest(profile, roots, [](std::string_view line) { spdlog::info("{}", line); });
  }
  vmspec::RunRequest request;
  request.name = name;
  request.uuid = state::random_uuid();
  request.machine_id = state::random_machine_id();
  request.command.emplace();  // whatever runs in it later is not looked at
  std::vector<vmspec::Problem> problems;
  PooledPlan plan{vmspec::make_pooled_spec(profile, facts, request, problems), {}};
  if (!problems.empty()) throw vmspec::problems_error(problems);
  // A card may be plugged in later.
  add_initramfs(plan.spec, roots, true);
  for (const vmspec::ShareSpec& share : plan.spec.shares)
    plan.directories.push_back(HeldDirectory::resolve(share.source));
  return plan;
}

}  // namespace agentvm::commands
