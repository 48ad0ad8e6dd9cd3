// nix_settings.hpp - what of a host's nix.conf a stranger's flake may be evaluated with.
#pragma once

#include <string>

namespace agentvm::devshell {

/// The settings of a nix.conf(5) that say where to fetch from and how to build, with those of the files it includes; no
/// token, key, path of one, hook or plugin. A file that is missing has none.
std::string shared_settings(const std::string& file);

}  // namespace agentvm::devshell
