// mcp_lines_fuzz.cpp - what a guest sends to an MCP server, and what a server answers, through the gateway's readers.
//
// Besides not crashing: a line that passes must not be a denied call for a parser that reads it plainly.
#include <cstdint>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "launcher/gateway/mcp/mcp_filter.hpp"
#include "launcher/gateway/mcp/mcp_line.hpp"
#include "launcher/gateway/mcp/mcp_reply.hpp"

namespace gateway = agentvm::gateway;
using nlohmann::json;

namespace {

constexpr std::size_t line_limit = 4096;

void require(bool condition) {
  if (!condition) std::abort();
}

const gateway::McpFilter& filter() {
  static const gateway::McpFilter made = [] {
    agentvm::vmspec::McpSpec spec;
    spec.name = "fuzz";
    spec.tools_deny = {"danger"};
    spec.arguments_deny = {{"nix", {{"action", {"store", "7"}}}}};
    return gateway::McpFilter(spec);
  }();
  return made;
}

void check_passed(const std::string& line) {
  require(line.find('\n') == std::string::npos);
  const json message = json::parse(line);
  require(message.is_object());
  if (message.value("method", json()) != "tools/call") return;
  const json& params = message.at("params");
  require(params.at("name") != "danger");
  if (params.at("name") != "nix" || !params.contains("arguments") || params["arguments"].is_null()) return;
  const json action = params["arguments"].value("action", json());
  require(action != "store" && action != "7" && action != 7);
}

void check_refused(const gateway::McpVerdict& verdict) {
  require(verdict.reply.ends_with('\n') && verdict.reply.find('\n') == verdict.reply.size() - 1);
  const json reply = json::parse(verdict.reply);
  require(reply.contains("id") && (reply.contains("error") || reply.contains("result")));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  // The first byte says how large the pieces are that arrive.
  const std::size_t piece = data[0] + std::size_t{1};
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  gateway::LineSplitter lines(line_limit);
  const auto judge = [](const gateway::LineSplitter::Line& line) {
    require(line.text.size() <= line_limit);
    const auto verdict = line.too_long ? filter().judge_too_long(line_limit) : filter().judge(line.text);
    if (verdict.action == gateway::McpVerdict::Action::pass) check_passed(line.text);
    if (verdict.action == gateway::McpVerdict::Action::refuse) check_refused(verdict);
    if (verdict.is_call) require(json::parse(verdict.arguments).is_object());
    if (const auto reply = gateway::read_mcp_reply(line.text)) require(reply->text.size() <= 300);
  };
  for (std::size_t at = 0; at < text.size(); at += piece) {
    lines.feed(text.substr(at, piece));
    while (const auto line = lines.next()) judge(*line);
  }
  if (const auto line = lines.rest(); line && !line->too_long && line->text.size() <= line_limit) judge(*line);
  return 0;
}
