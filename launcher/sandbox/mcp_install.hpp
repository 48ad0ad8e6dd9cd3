// mcp_install.hpp - what of the host an MCP server's program needs to run: itself, its interpreter, its environment.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "launcher/sandbox/guest_places.hpp"

namespace agentvm::gateway {

/// Paths outside /usr that the sandbox shows read-only; /usr is there anyway.
struct McpInstall {
  std::vector<std::string> command;                        ///< as configured; command[0] is what runs inside
  std::vector<std::string> directories;                    ///< real paths, shown with all that is below
  std::vector<std::string> files;                          ///< real paths, shown alone
  std::vector<std::pair<std::string, std::string>> links;  ///< symlinks passed on the way: path, target
  std::vector<std::string> path;  ///< directories put before PATH, for an interpreter that is found by name
  bool nix_store = false;         ///< the server lives in /nix/store
};

/// Follows the program: symlinks, "#!" lines (also by env, and pip's way round long ones), a virtual environment's
/// pyvenv.cfg and Python, npm's node_modules. Of the arguments those that name a file or directory of the host
/// (/PATH, or OPTION=/PATH) are shown too, a script with its installation, anything else alone. A directory is shown
/// only when it is such an installation, lies outside every home or is an argument; never a home, / or anything above
/// them. Throws Error when the program is missing or would need such a directory, when an argument is a place where
/// secrets are kept, and when anything of it, a link on the way included, lies in what `places` says a guest may write
/// or is a directory above it.
McpInstall inspect_mcp_install(const std::vector<std::string>& command, const std::string& home,
                               const sandbox::GuestPlaces& places);

/// Whether all MCP servers of a plan may be started, as each start asks again. Throws Error naming the server.
void check_mcp_servers(const vmspec::VmSpec& spec);

/// Whether `path` is `directory` or below it. Both absolute and without a final slash.
bool is_below(const std::string& path, const std::string& directory);

}  // namespace agentvm::gateway
