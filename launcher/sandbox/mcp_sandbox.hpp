// mcp_sandbox.hpp - bubblewrap's arguments for an MCP server: pure, from what was found on the host to argv.
//
// Inside there are /usr, a handful of files of /etc, the server's own installation, an empty /tmp, and nothing else: no
// home, no workspace, no nix, no network but the way out to the hosts that the profile names (host_proxy.hpp). The
// guest talks to this server, so whatever it can read, the guest can.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "launcher/sandbox/mcp_install.hpp"

namespace agentvm::gateway {

/// What is the same for every server of a host.
struct SandboxHost {
  std::vector<std::pair<std::string, std::string>> root_links;  ///< /bin and its like: path, target (merged /usr)
  std::vector<std::string> root_directories;                    ///< or real directories
  std::vector<std::pair<std::string, std::string>> files;       ///< source, path inside: of /etc, and certificates
  std::vector<std::string> hidden;                              ///< programs of /usr that must not run: nix
  std::map<std::string, std::string> environment;               ///< certificates of the caller
  bool root = false;                                            ///< the caller is
};

/// Looks at this host; `environment` is where certificates are looked up.
SandboxHost inspect_sandbox_host(const std::map<std::string, std::string>& environment);

/// Descriptors, open in bubblewrap, with a minimal passwd and group.
struct AccountFiles {
  int passwd = -1;
  int group = -1;
};
inline constexpr char sandbox_passwd[] = "nobody:x:65534:65534:nobody:/tmp:/usr/sbin/nologin\n";
inline constexpr char sandbox_group[] = "nogroup:x:65534:\n";

/// After --proc, for a caller who is root: the kernel's own settings ask for the real uid 0 alone, which a namespace
/// and dropped capabilities leave, and bubblewrap (0.8) leaves them to be written. An ordinary user's sandbox needs
/// none of it.
void add_root_rules(std::vector<std::string>& args);

/// Everything behind `bwrap`, the server's command included.
std::vector<std::string> sandbox_arguments(const SandboxHost& host, const McpInstall& install, AccountFiles accounts);

/// What the profile says of one server's surroundings.
struct McpWishes {
  std::map<std::string, std::string> env = {};
  std::vector<std::string> network = {};  ///< hosts (proxy_rules.hpp); empty: none
};

/// The whole environment of the server, and of bubblewrap. The profile's variables go before ours, but for those of the
/// way out and the VM's mark.
std::map<std::string, std::string> sandbox_environment(const SandboxHost& host, const McpInstall& install,
                                                       const McpWishes& wishes, const std::string& uuid);

}  // namespace agentvm::gateway
