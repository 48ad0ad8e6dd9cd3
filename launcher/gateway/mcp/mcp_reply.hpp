// mcp_reply.hpp - reads an MCP server's lines along, for which call they answer and how.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace agentvm::gateway {

struct McpReply {
  std::string id;         ///< as JSON text
  bool is_error = false;  ///< a JSON-RPC error, or a result with isError
  std::string text;       ///< of the first text content, or the error's message; cut to 300 bytes
};

/// nullopt: no answer (a request or notification of the server's own, or nothing readable).
std::optional<McpReply> read_mcp_reply(std::string_view line);

}  // namespace agentvm::gateway
