// agent_package.hpp - which package of which flake agent.package means for a nix guest.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "vmspec/profile/profile.hpp"

namespace agentvm::vmspec {

/// A package of a flake.
struct NixPackage {
  std::string input;  ///< name among the definition's inputs: "nixpkgs", "codex-cli-nix", "llm-agents", "agent-flake"
  std::string url;    ///< flake reference; "" for nixpkgs, which the profile names
  std::string attribute;  ///< below packages.SYSTEM, or for nixpkgs below pkgs
  bool operator==(const NixPackage&) const = default;
};

/// What `package` (the text of agent.package) stands for with this agent; nullopt: the guest is built without one,
/// because it comes from the host ("host", a path) or there is none (a command without one). `package` must have passed
/// rules::agent_package.
std::optional<NixPackage> nix_agent_package(AgentKind kind, std::string_view package);

}  // namespace agentvm::vmspec
