// engines.cpp - who runs the machine, and what a profile may say and this version cannot do: one sentence each.
#include <fmt/format.h>

#include "vmspec/plan/names.hpp"
#include "vmspec/plan/planner.hpp"

namespace agentvm::vmspec {

void Planner::hypervisor() {
  const HypervisorChoice choice = profile_.machine.hypervisor;
  // libvirt knows QEMU's machines only, so whoever wants to see this one there wants QEMU.
  const bool for_virsh = profile_.machine.connect != "embed";
  const bool at_hand = facts_.kvm && facts_.programs.contains("cloud-hypervisor") && !for_virsh;
  const bool chosen = choice == HypervisorChoice::cloud_hypervisor;
  spec_.hypervisor = chosen || (choice == HypervisorChoice::automatic && at_hand) ? HypervisorKind::cloud_hypervisor
                                                                                  : HypervisorKind::qemu;
  spec_.accelerator = facts_.kvm ? Accelerator::kvm : Accelerator::tcg;
  const std::string reason = facts_.kvm_reason.empty() ? "KVM does not work here" : facts_.kvm_reason;
  if (chosen && !facts_.kvm) {
    refuse("machine.hypervisor", fmt::format("cloud-hypervisor needs KVM: {}", reason),
           "use \"auto\" or \"qemu\", which can emulate the machine", ExitCode::agentvm_failed);
  }
  if (chosen && for_virsh) {
    refuse("machine.connect",
           fmt::format("{} is about libvirt, which does not run cloud-hypervisor's machines",
                       quote_value(profile_.machine.connect)),
           "drop it, or use machine.hypervisor = \"qemu\"");
  }
  const bool qemu = spec_.hypervisor == HypervisorKind::qemu;
  if (facts_.kvm) {
    note(fmt::format("{} runs the machine with KVM.", qemu ? "QEMU" : "cloud-hypervisor"));
  } else if (qemu) {
    advise(fmt::format("QEMU emulates the machine, which is slow: {}.", reason));
  }
}

void refuse_unsupported(const Profile& profile, AgentKind kind, std::vector<Problem>& problems) {
  const auto unsupported = [&](const std::string& key, const std::string& value, const std::string& instead) {
    problems.push_back(problem_at(profile.origin(key), key,
                                  fmt::format("{} is not supported by this version of agentvm", value), instead,
                                  ExitCode::usage));
  };
  const auto word = [](auto value) { return fmt::format("\"{}\"", name_of(value)); };

  if (profile.workspace.mode == WorkspaceMode::review) {
    unsupported("workspace.mode", word(profile.workspace.mode), "use \"shared\" or \"read-only\"");
  }
  if (!profile.workspace.hide.empty()) {
    unsupported("workspace.hide", "hiding files", "drop it, and keep secrets outside the workspace");
  }
  const EgressChoice egress = profile.network.egress;
  if (egress == EgressChoice::proxy) {
    unsupported("network.egress", word(egress), "use \"auto\", \"nat\" or \"none\"");
  }
  if (!profile.network.allow.empty()) {
    unsupported("network.allow", "a list of allowed domains", "drop it: the guest has no network");
  }
  if (kind == AgentKind::claude || kind == AgentKind::gemini || kind == AgentKind::opencode) {
    unsupported("agent.kind", word(kind), "use \"codex\" or \"command\"");
  }
  if (kind != AgentKind::command && profile.model.wire != ModelWire::responses) {
    unsupported("model.wire", word(profile.model.wire), "use \"responses\"");
  }
}

void Planner::refuse_missing_engines() {
  if (nix() == nullptr) refuse_nix_keys();
  refuse_unsupported(profile_, kind_of(profile_, request_), problems_);
}

/// What only a guest of NixOS can have.
void Planner::refuse_nix_keys() {
  const auto refused = [this](const std::string& key, const std::string& what, const std::string& instead) {
    refuse(key, fmt::format("{} needs a guest of NixOS, and this one is the host's own system", what),
           "use guest.source = \"nix\", or " + instead);
  };
  if (profile_.guest.source == GuestSource::nix) {
    refuse("guest.source", "there is no guest of NixOS to boot", "build one with `agentvm build`",
           ExitCode::cannot_start);
  }
  if (!profile_.guest.modules.empty()) refused("guest.modules", "a list of NixOS modules", "drop it");
  if (profile_.store.share == StoreShare::closure) refused("store.share", "\"closure\"", "use \"host\"");
  if (kind_of(profile_, request_) != AgentKind::command && profile_.agent.package.starts_with("nix:")) {
    refused("agent.package", "a package from Nix", "use \"auto\", \"host\" or a path");
  }
}

}  // namespace agentvm::vmspec
