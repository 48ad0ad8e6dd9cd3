// agents_md.hpp - guidance for an agent: what kind of machine it is in, and how Nix projects work there.
#pragma once

#include <string>
#include <vector>

#include "vmspec/plan/vm_spec.hpp"

namespace agentvm::vmspec {

struct AgentsMdInput {
  std::string user;
  std::string mount;
  bool read_only = false;                ///< the workspace
  std::vector<std::string> mcp_servers;  ///< names
  GuestKind kind = GuestKind::host;      ///< whose system it is
  bool internet = false;                 ///< a network card behind NAT
  bool devshell = false;                 ///< the agent works in the workspace's own
  bool kernel_modules = true;            ///< a host guest's kernel finds its modules in /usr
  bool store_writable = true;            ///< a nix guest's /nix/store
};
/// templates/AGENTS.md for this guest.
std::string render_agents_md(const AgentsMdInput& input);

}  // namespace agentvm::vmspec
