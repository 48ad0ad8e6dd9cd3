// planner.hpp - the steps of make_vm_spec: each fills in its part of the plan and adds what stands against it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "vmspec/plan/plan.hpp"

namespace agentvm::vmspec {

/// Made for one plan. All references are borrowed for its life.
class Planner {
 public:
  Planner(const Profile& profile, const HostFacts& facts, const RunRequest& request, std::vector<Problem>& problems)
      : profile_(profile), facts_(facts), request_(request), problems_(problems) {}

  VmSpec run();
  /// See make_pooled_spec.
  VmSpec run_pooled();

  /// What runs in the guest: the profile's agent, unless the caller gave a command.
  static AgentKind kind_of(const Profile& profile, const RunRequest& request);

 private:
  // plan.cpp
  void identity();
  void machine();
  void memory();
  void ownership();
  void network();
  void model();
  void git_identity();
  void files();

  // engines.cpp: who runs the machine; what the profile may say and this version cannot do
  void hypervisor();
  void refuse_missing_engines();
  void refuse_nix_keys();

  // programs.cpp: what must be there
  void programs();
  void kernel();
  /// Whether modprobe in a host guest finds what belongs to its kernel: the guest sees the host's /usr alone.
  bool has_modules() const;
  void tools();
  void mcp_servers();

  // nix.cpp
  void nix_image(const NixGuest& guest);
  void nix_store_share(const NixGuest& guest);
  /// Of the guest: the agent's account, and where the workspace is.
  std::string user() const;
  std::string home() const;
  std::string mount() const;

  // devshell.cpp
  void devshell();
  bool has_hook() const;
  void add_devshell(std::map<std::string, std::string>& environment) const;

  // shares.cpp
  void workspace();
  void system_share();
  void exposed_shares();
  void agent_share();
  void guest_path();
  void add_share(ShareSpec share);
  void expose(const std::string& path, const HostFacts::PathFacts& found);
  bool guest_sees(std::string_view host_path) const;

  // agent.cpp
  void agent();
  void codex();
  void command(const std::vector<std::string>& argv);
  std::map<std::string, std::string> environment(bool pty) const;

  /// nullptr: the guest is the host's own system.
  const NixGuest* nix() const { return facts_.nix_guest ? &*facts_.nix_guest : nullptr; }
  /// What was chosen, and why: for -v and --dry-run.
  void note(std::string sentence) { spec_.notes.push_back(std::move(sentence)); }
  /// A note that the user can act on: shown before every boot, so there should be few.
  void advise(std::string sentence) {
    spec_.advice.push_back(sentence);
    spec_.notes.push_back(std::move(sentence));
  }
  /// At the place of a key of the profile.
  void refuse(const std::string& key, std::string message, std::string hint = {}, ExitCode code = ExitCode::usage);
  /// About the run, no key of the profile.
  void refuse_run(std::string message, std::string hint, ExitCode code = ExitCode::usage);

  const Profile& profile_;
  const HostFacts& facts_;
  const RunRequest& request_;
  std::vector<Problem>& problems_;
  VmSpec spec_;
  std::string agent_program_;              ///< guest path of codex
  std::vector<std::string> exposed_bins_;  ///< guest directories for PATH
};

}  // namespace agentvm::vmspec
