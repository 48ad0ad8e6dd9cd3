// host_facts.hpp - what the pure planner must know about the host, gathered once by launcher/host.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "vmspec/plan/devshell.hpp"
#include "vmspec/plan/nix_guest.hpp"

namespace agentvm::vmspec {

/// A kernel with its modules, found on the host.
struct KernelFacts {
  std::string image;    ///< absolute path of vmlinuz (or vmlinux)
  std::string version;  ///< as in lib/modules
  std::string modules;  ///< .../lib/modules/VERSION
};

/// A program that may run inside the guest: where it is and what it says it is.
struct AgentProgram {
  std::string path = {};      ///< absolute, links resolved; "" when there is none
  std::string version = {};   ///< "0.169.0"; "" when it would not say
  std::string obstacle = {};  ///< what was found first and is not used, a clause that begins with its path; may be ""
  std::string hint = {};      ///< what to do about that, a clause; "": nothing of its own
};

/// Facts, no wishes: nothing here comes from the profile.
struct HostFacts {
  unsigned cpus = 1;
  std::uint64_t memory_bytes = 0;
  bool kvm = false;
  std::string kvm_reason;                       ///< why not, one clause; "" when it works
  std::uint32_t uid = 0, gid = 0;               ///< of the caller
  std::string home;                             ///< of the caller, absolute
  std::string path;                             ///< $PATH
  std::map<std::string, std::string> programs;  ///< "qemu", "virtiofsd", "bwrap", "cloud-hypervisor", "nix", "sudo"...:
                                                ///< absolute path; absent when missing
  std::vector<KernelFacts> kernels;             ///< best first
  std::optional<NixGuest> nix_guest;            ///< what is booted; nullopt: the host's own system
  std::optional<DevShell> devshell;             ///< the workspace's, where the profile asks for it; nullopt: see below
  /// Why there can be none, a sentence without a full stop, and what to do.
  struct Refusal {
    std::string reason, hint;
  } devshell_refusal;
  bool nix_passed_over = false;  ///< `nix` is here, but guest.source = "auto" found nothing built
  /// The caller as Git knows them, "" where their own configuration (no repository's) does not say. Any bytes.
  struct GitIdentity {
    std::string name, email;
    std::vector<std::string> unread;  ///< files that were passed over: sentences without a full stop
  } git;
  AgentProgram codex;
  std::string agentvm_guest;  ///< absolute path of the static guest program
  /// For names asked after (tools, MCP commands): absolute path on the host, links NOT resolved; absent when missing.
  std::map<std::string, std::string> found;
  /// For any of those names (and for model.key's command): what was found is not started, because a guest may write
  /// there. A clause that begins with the path.
  std::map<std::string, std::string> forbidden;
  /// For exposed paths asked after: what they are. Absent when missing.
  struct PathFacts {
    bool directory = false;
    std::string real;                   ///< links resolved
    std::vector<std::string> bin_dirs;  ///< the path itself when named bin, its bin, its children's bin: absolute
  };
  std::map<std::string, PathFacts> paths;
  /// Whether a VM can have a network card behind NAT (agentvm-netd, or root with it), and whether it needs no asking:
  /// one that runs was set up for that, while root would change the host's firewall first.
  struct Nat {
    bool works = false;
    bool running = false;
    std::string reason = {}, hint = {};  ///< why not, and what to do: sentences without a full stop
  } nat;
  std::uint32_t workspace_uid = 0, workspace_gid = 0;  ///< owner of the workspace directory
  std::map<std::string, std::string> environment;      ///< the variables the profile names (TERM, LANG, COLORTERM too)
};

}  // namespace agentvm::vmspec
