// git_identity.hpp - who the caller is to Git, by their own configuration.
#pragma once

#include <string>

#include "vmspec/plan/host_facts.hpp"

namespace agentvm::host {

/// user.name and user.email as Git would take them from the caller's own files: $GIT_CONFIG_GLOBAL, or else
/// $XDG_CONFIG_HOME/git/config and ~/.gitconfig, with what they include, always or by gitdir: for a repository in
/// `workspace` (an absolute path without links; only its name is looked at). Starts no Git, and reads no repository's
/// configuration, nor a file that a guest may have written (base/startable.hpp).
vmspec::HostFacts::GitIdentity git_identity(const std::string& workspace);

/// Whether a repository whose .git is `gitdir` (absolute) is meant by PATTERN of [includeIf "gitdir:PATTERN"]
/// (git-config(1)) in the file `from`. `home` is what ~/ stands for. No pattern with "[" matches.
bool means_gitdir(const std::string& pattern, const std::string& gitdir, const std::string& from,
                  const std::string& home);

}  // namespace agentvm::host
