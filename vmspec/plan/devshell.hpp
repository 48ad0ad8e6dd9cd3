// devshell.hpp - the workspace's own devShell as the plan needs it.
//
// Made by launcher/devshell of what `nix print-dev-env` answers, or of the workspace alone where it is still to be
// built.
#pragma once

#include <map>
#include <string>
#include <vector>

namespace agentvm::vmspec {

/// Nothing of it is trusted: whoever writes to the workspace writes it. All of it is for the guest.
struct DevShell {
  bool built = false;   ///< false: Nix has to build it first, and nothing below but `store` is known
  std::string store;    ///< host: the directory with its packages, which guests see as /nix/store
  std::string gc_root;  ///< host: the link that keeps them from the store's garbage collector
  std::map<std::string, std::string> environment;  ///< without PATH and the hook
  std::string path;  ///< PATH: absolute directories, separated by colons; "" when it has none
  std::string hook;  ///< shellHook: text for bash; "" when there is none
  bool operator==(const DevShell&) const = default;
};

/// The command that enters the shell as `nix develop` would and becomes `argv`: the hook in $shellHook is run by bash,
/// away from the agent's stdin and stdout.
std::vector<std::string> entering_devshell(const std::vector<std::string>& argv);

}  // namespace agentvm::vmspec
