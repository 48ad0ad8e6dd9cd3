// nix_vm.hpp - vm.nix, the machine itself among the files of a definition.
#pragma once

#include <string>

#include "vmspec/profile/profile.hpp"

namespace agentvm::vmspec {

/// Which files of the agent stand beside vm.nix and are named in it.
struct VmFiles {
  bool codex_config = false;  ///< codex.toml
  bool agents_md = false;     ///< AGENTS.md
};

/// The text of vm.nix. Throws Error for a text that cannot be written as Nix.
std::string render_vm_nix(const Profile& profile, const std::string& name, const VmFiles& files);

}  // namespace agentvm::vmspec
