// guidance.hpp - where each agent looks for guidance that holds in every project.
#pragma once

#include <string_view>

#include "vmspec/profile/profile.hpp"

namespace agentvm::vmspec {

/// Below the agent's home; as Codex 0.171, Claude Code 2.1, Gemini CLI 0.44 and OpenCode 1.18 read it. Codex's for a
/// command.
constexpr std::string_view guidance_place(AgentKind kind) {
  switch (kind) {
    case AgentKind::claude:
      return ".claude/CLAUDE.md";
    case AgentKind::gemini:
      return ".gemini/GEMINI.md";
    case AgentKind::opencode:
      return ".config/opencode/AGENTS.md";
    case AgentKind::codex:
    case AgentKind::command:
      break;
  }
  return ".codex/AGENTS.md";
}

}  // namespace agentvm::vmspec
