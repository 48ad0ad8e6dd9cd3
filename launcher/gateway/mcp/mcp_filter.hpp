// mcp_filter.hpp - judges what the guest says to an MCP server: pure, a line in, pass or refuse out.
//
// A line that passes goes on with its own bytes, so the server must read in it what was judged here. Hence everything
// two parsers could read differently is refused: keys that stand twice, keys that differ in case from the protocol's
// own, control characters (a lone CR ends a line for some), byte order marks, deep nesting, batches.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "vmspec/plan/vm_spec.hpp"

namespace agentvm::gateway {

struct McpVerdict {
  enum class Action {
    pass,    ///< the line goes to the server
    refuse,  ///< it does not; `reply` goes to the guest
    drop,    ///< it does not, and nobody waits for an answer
  };
  Action action = Action::drop;
  std::string reply = {};      ///< one JSON-RPC message with its newline
  std::string reason = {};     ///< of a refusal: a sentence
  std::string id = {};         ///< of a request: its id as JSON text; "" for notifications and answers
  std::string cancelled = {};  ///< of notifications/cancelled: the id of the request it takes back
  bool is_call = false;        ///< tools/call, with:
  std::string tool = {};       ///< at most 100 bytes
  std::string arguments = {};  ///< a JSON object for events, its strings cut; "{}" when there are none
};

class McpFilter {
 public:
  explicit McpFilter(vmspec::McpSpec server) : server_(std::move(server)) {}

  /// `line` comes without its newline.
  McpVerdict judge(std::string_view line) const;
  /// For a line that was longer than the gateway takes.
  McpVerdict judge_too_long(std::size_t limit) const;
  /// A request that passed judge() but cannot be taken now.
  static McpVerdict refuse_request(McpVerdict verdict, const std::string& reason);

 private:
  McpVerdict judge_message(const nlohmann::json& message) const;
  void judge_call(const nlohmann::json& params, McpVerdict& verdict) const;
  /// Why this call is not allowed; "": it is.
  std::string objection(const std::string& tool, const nlohmann::json& arguments) const;

  vmspec::McpSpec server_;
};

}  // namespace agentvm::gateway
