// plan.hpp - from what is wanted (Profile, RunRequest) and what is there (HostFacts) to what will be done (VmSpec).
//
// Two steps around one gathering of facts: needed_facts says what must be looked up, launcher/host looks it up, and
// make_vm_spec decides. Everything that cannot be done is said at once, before anything is started.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "vmspec/plan/host_facts.hpp"
#include "vmspec/plan/vm_spec.hpp"
#include "vmspec/profile/problem.hpp"
#include "vmspec/profile/profile.hpp"

namespace agentvm::vmspec {

/// One run as it was asked for on the command line, beside the profile.
struct RunRequest {
  std::string name;        ///< [a-z0-9][a-z0-9-]{0,40}
  std::string uuid;        ///< RFC 4122, lower case
  std::string machine_id;  ///< 32 hex digits
  std::string workspace;   ///< absolute host path of a directory
  std::optional<std::string> prompt = {};
  std::optional<std::vector<std::string>> command = {};  ///< --command: run instead of the agent
  bool tty = false;             ///< the caller has a terminal for the agent (or asked for one with -t)
  bool stdin_attached = false;  ///< the caller passes its stdin on
  bool detached = false;
  bool keep = false;
  std::int64_t boot_timeout_ms = 0;          ///< 0: what suits the guest and the accelerator
  std::vector<std::string> agent_args = {};  ///< after agent.args
};

/// What launcher/host must look up for a profile.
struct NeededFacts {
  std::vector<std::string>
      programs;                    ///< names or paths for HostFacts::found: guest.tools, commands of MCP and of the key
  std::vector<std::string> paths;  ///< as written (absolute or ~/) for HostFacts::paths, keyed as written
  std::vector<std::string> environment;  ///< variables for HostFacts::environment
  /// agent.package for HostFacts::codex: "auto", "host" or a path, "~/" not yet expanded; "" when no codex is needed.
  std::string agent_package;
  bool network = false;   ///< HostFacts::nat
  bool devshell = false;  ///< HostFacts::devshell
};
/// `guest`: what will be booted; a nix guest brings its own tools, and most often its agent.
NeededFacts needed_facts(const Profile& profile, const RunRequest& request, GuestKind guest = GuestKind::host);

/// The plan of a run. What is wrong is added to `problems`; when anything was, the result is only good for showing.
VmSpec make_vm_spec(const Profile& profile, const HostFacts& facts, const RunRequest& request,
                    std::vector<Problem>& problems);

}  // namespace agentvm::vmspec
