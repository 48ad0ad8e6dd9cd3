// nix_sandbox.hpp - where a workspace's flake is evaluated: bubblewrap's arguments around `nix`.
//
// The flake may be an agent's work. Inside there are /nix, /usr, a handful of files of /etc, the workspace (read-only),
// an empty /tmp, the network and what is written to: a cache of what was fetched, and the place of the GC root. No
// home, no key, no configuration of the caller's; an input like "path:/home/you/.ssh" finds nothing. Git's
// configuration of the workspace, which could name programs to start, is hidden behind a plain one.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "launcher/gateway/mcp_sandbox.hpp"

namespace agentvm::devshell {

/// The workspace's own .git/config, as Nix's Git sees it.
inline constexpr char plain_git_config[] =
    "[core]\n\trepositoryformatversion = 0\n\tbare = false\n\thooksPath = /dev/null\n\tfsmonitor = false\n"
    "[diff]\n\tignoreSubmodules = all\n[submodule]\n\trecurse = false\n";
/// /etc/gitconfig: the workspace may belong to another user than the one who runs agentvm.
inline constexpr char system_git_config[] = "[safe]\n\tdirectory = *\n";

/// How Nix works on this host.
enum class NixMode {
  daemon,      ///< agentvm asks the daemon, which builds in its own sandbox; /nix is read-only here
  owner,       ///< an ordinary user's own /nix: Nix builds here, in a sandbox of its own or not at all
  root_owner,  ///< root without a daemon: Nix builds here as its build users
};

struct NixSandbox {
  gateway::SandboxHost host;  ///< of inspect_sandbox_host, and Nix's own files of /etc
  NixMode mode = NixMode::daemon;
  std::string nix;         ///< absolute, links resolved
  std::string git;         ///< likewise; "": there is none
  std::string workspace;   ///< absolute, links resolved
  bool git_flake = false;  ///< the flake is what Git tracks (has_own_git)
  std::string fetched;     ///< absolute: keeps what was fetched
  std::string roots;       ///< absolute: the GC root's directory
};

/// Descriptors, open in bubblewrap, with plain_git_config and system_git_config.
struct GitConfigFiles {
  int workspace = -1;
  int system = -1;
};

/// Everything behind `bwrap`: the sandbox and `nix print-dev-env --json` of the workspace with the GC root ROOTS/root.
std::vector<std::string> nix_sandbox_arguments(const NixSandbox& sandbox, GitConfigFiles files);

/// The whole environment.
std::map<std::string, std::string> nix_sandbox_environment(const NixSandbox& sandbox);

/// Looks at this host. `git` "" where there is none. Throws Error when there is no `nix`.
NixSandbox inspect_nix_sandbox(const std::string& workspace, const std::string& fetched, const std::string& roots);

}  // namespace agentvm::devshell
