// agent_package.cpp - which package of which flake agent.package means for a nix guest.
#include "vmspec/agents/agent_package.hpp"

namespace agentvm::vmspec {

namespace {

constexpr std::string_view codex_flake = "github:sadjow/codex-cli-nix";
constexpr std::string_view agents_flake = "github:numtide/llm-agents.nix";

/// codex-cli-nix follows Codex within hours and wraps its own static program; llm-agents has the others.
std::string_view usual_package(AgentKind kind) {
  switch (kind) {
    case AgentKind::codex:
      return "nix:codex-cli-nix";
    case AgentKind::claude:
      return "nix:llm-agents#claude-code";
    case AgentKind::gemini:
      return "nix:llm-agents#gemini-cli";
    case AgentKind::opencode:
      return "nix:llm-agents#opencode";
    case AgentKind::command:
      break;
  }
  return "";
}

}  // namespace

std::optional<NixPackage> nix_agent_package(AgentKind kind, std::string_view package) {
  constexpr std::string_view prefix = "nix:";
  if (package == "auto") package = usual_package(kind);
  if (!package.starts_with(prefix)) return std::nullopt;
  package.remove_prefix(prefix.size());
  const std::size_t hash = package.find('#');
  const std::string reference(package.substr(0, hash));
  std::string attribute = hash == std::string_view::npos ? "default" : std::string(package.substr(hash + 1));
  if (reference == "nixpkgs") return NixPackage{reference, "", std::move(attribute)};
  if (reference == "codex-cli-nix") return NixPackage{reference, std::string(codex_flake), std::move(attribute)};
  if (reference == "llm-agents") return NixPackage{reference, std::string(agents_flake), std::move(attribute)};
  return NixPackage{"agent-flake", reference, std::move(attribute)};
}

}  // namespace agentvm::vmspec
