// nix_sandbox.hpp - where a workspace's flake is evaluated: bubblewrap's arguments around `nix`.
//
// The flake may be an agent's work. Inside there are /nix, /usr, a handful of files of /etc, a copy of the flake
// (read-only, at a place of ours), an empty /tmp, the network and what is written to: a cache of what was fetched, and
// the place of the GC root. No home, no key, no token of nix.conf: an input like "path:/home/you/.ssh" finds nothing.
// There is neither Git nor Mercurial, which would run programs that a repository's configuration names; Nix fetches
// what it needs from forges and as archives by itself.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "launcher/sandbox/mcp_sandbox.hpp"

namespace agentvm::devshell {

/// Where the flake is inside.
inline constexpr char flake_place[] = "/flake";

/// How Nix works on this host.
enum class NixMode {
  daemon,      ///< agentvm asks the daemon, which builds in its own sandbox; /nix is read-only here
  owner,       ///< an ordinary user's own /nix: Nix builds here, in a sandbox of its own or not at all
  root_owner,  ///< root without a daemon: Nix builds here as its build users, which bubblewrap confines
};

struct NixSandbox {
  gateway::SandboxHost host;  ///< of inspect_sandbox_host, and certificates
  NixMode mode = NixMode::daemon;
  bool root = false;     ///< the caller is
  std::string nix;       ///< absolute, links resolved
  std::string flake;     ///< absolute: the copy of the flake
  std::string fetched;   ///< absolute: keeps what was fetched
  std::string roots;     ///< absolute: the GC root's directory
  std::string settings;  ///< the text of nix.conf
  bool refresh = false;  ///< what was fetched is looked for anew
};

/// Everything behind `bwrap`: the sandbox and `nix print-dev-env --json` of the flake with the GC root ROOTS/root.
/// `settings_fd` is open in bubblewrap and has `settings`.
std::vector<std::string> nix_sandbox_arguments(const NixSandbox& sandbox, int settings_fd);

/// The whole environment.
std::map<std::string, std::string> nix_sandbox_environment(const NixSandbox& sandbox);

/// Looks at this host; the caller fills in the directories. Throws Error when there is no `nix`.
NixSandbox inspect_nix_sandbox();

}  // namespace agentvm::devshell
