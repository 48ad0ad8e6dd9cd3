// nix_sandbox.hpp - where a workspace's flake is evaluated: bubblewrap's arguments around `nix`.
//
// The flake may be an agent's work. Inside there are /nix, /usr, a handful of files of /etc, a copy of the flake
// (read-only, at a place of ours), an empty /tmp, and what is written to: a cache of what is fetched, and the place of
// the GC root. No home, no key, no token of nix.conf: an input like "path:/home/you/.ssh" finds nothing. There is
// neither Git nor Mercurial, which would run programs that a repository's configuration names; Nix fetches what it
// needs from forges and as archives by itself. Of the network there is the way out of host_proxy.hpp alone: public
// addresses, and the substituters of nix.conf.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "launcher/sandbox/guest_places.hpp"
#include "launcher/sandbox/mcp_sandbox.hpp"
#include "launcher/sandbox/proxy_rules.hpp"

namespace agentvm::devshell {

/// Where the flake is inside.
inline constexpr char flake_place[] = "/flake";

/// How Nix works on this host.
enum class NixMode {
  daemon,  ///< agentvm asks the daemon, which builds in its own sandbox; /nix is read-only here
  owner,   ///< an ordinary user's own /nix: Nix builds here, in a sandbox of its own or not at all
};

struct NixSandbox {
  gateway::SandboxHost host;  ///< of inspect_sandbox_host, and certificates
  NixMode mode = NixMode::daemon;
  bool root = false;                    ///< the caller is
  std::string nix;                      ///< absolute, links resolved
  std::string flake;                    ///< absolute: the copy of the flake
  std::string fetched;                  ///< absolute: keeps what was fetched
  std::string roots;                    ///< absolute: the GC root's directory
  std::string settings;                 ///< the text of nix.conf
  bool asks_for_confinement = true;     ///< Nix, or its daemon, is told to build in its own sandbox or not at all
  std::vector<std::string> hosts;       ///< what the way out reaches
  std::optional<host::OwnProxy> proxy;  ///< of the caller
  bool refresh = false;                 ///< what was fetched is looked for anew
};

/// Everything behind `bwrap`: the sandbox and `nix print-dev-env --json` of the flake with the GC root ROOTS/root.
/// `settings_fd` is open in bubblewrap and has `settings`.
std::vector<std::string> nix_sandbox_arguments(const NixSandbox& sandbox, int settings_fd);

/// The whole environment.
std::map<std::string, std::string> nix_sandbox_environment(const NixSandbox& sandbox);

/// What the way out reaches with these settings: public addresses, and the substituters wherever they are.
std::vector<std::string> hosts_of_settings(const std::string& settings);

/// Looks at this host; the caller fills in the directories. Throws Error when there is no `nix`, when it lies in a
/// place that a guest may write, and when builders would run without Nix's sandbox: root has no daemon, or the daemon
/// has none and would not be told otherwise by this caller.
NixSandbox inspect_nix_sandbox(const sandbox::GuestPlaces& places);

}  // namespace agentvm::devshell
