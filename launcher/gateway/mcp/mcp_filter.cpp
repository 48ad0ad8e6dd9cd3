// mcp_filter.cpp - see mcp_filter.hpp. MCP is that of modelcontextprotocol.io, 2025-06-18, on JSON-RPC 2.0.
#include "launcher/gateway/mcp/mcp_filter.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "launcher/gateway/json_guard.hpp"

namespace agentvm::gateway {

using nlohmann::json;

namespace {

constexpr int parse_error = -32700;
constexpr int invalid_request = -32600;
constexpr int invalid_params = -32602;
constexpr std::size_t max_tool_bytes = 100;
constexpr std::size_t max_shown_string = 300;
constexpr std::size_t max_shown_arguments = 4096;
constexpr std::array<std::string_view, 6> message_keys = {"jsonrpc", "id", "method", "params", "result", "error"};
constexpr std::array<std::string_view, 2> call_keys = {"name", "arguments"};

std::string message_line(const json& message) {
  return message.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
}

/// An error reply; `id` is JSON text, "" for null (JSON-RPC 2.0, 5: the id could not be told).
McpVerdict refuse(int code, std::string reason, const std::string& id = {}) {
  McpVerdict verdict{.action = McpVerdict::Action::refuse, .id = id};
  verdict.reply = message_line({{"jsonrpc", "2.0"},
                                {"id", id.empty() ? json() : json::parse(id)},
                                {"error", {{"code", code}, {"message", reason}}}});
  verdict.reason = std::move(reason);
  return verdict;
}

/// A key that a lenient parser would take for one of `names` though it is none; "" when there is no such key.
template <std::size_t size>
std::string lookalike(const json& object, const std::array<std::string_view, size>& names) {
  for (const auto& [key, value] : object.items()) {
    const std::string folded = folded_key(key);
    if (folded != key && std::find(names.begin(), names.end(), folded) != names.end()) return utf8_prefix(key, 40);
  }
  return {};
}

/// What is left of a value when case, blanks, quotes and everything outside ASCII do not count: a server that strips or
/// folds its arguments must not be talked into a refused value.
std::string bare(std::string_view text) {
  std::string result;
  for (const char c : folded_key(text)) {
    if (c > 0x20 && c < 0x7f && c != '"' && c != '\'') result += c;
  }
  return result;
}

/// Whether the value, or any value within it, is the refused one.
bool is_refused_value(const json& value, const std::string& refused) {
  if (value.is_structured()) {
    return std::any_of(value.begin(), value.end(), [&](const json& inner) { return is_refused_value(inner, refused); });
  }
  const std::string text = value.is_string() ? value.get<std::string>() : value.dump();
  if (text == refused) return true;
  const std::string bare_refused = bare(refused);
  return !bare_refused.empty() && bare(text) == bare_refused;
}

bool same_name(std::string_view a, std::string_view b) {
  return a == b || bare(a) == bare(b);
}

/// The arguments as an event shows them: strings cut, and nothing at all of a monster.
std::string shown_arguments(const json& arguments) {
  if (!arguments.is_object()) return "{}";
  json shown = json::object();
  for (const auto& [key, value] : arguments.items()) {
    shown[utf8_prefix(key, max_tool_bytes)] =
        value.is_string() ? json(utf8_prefix(value.get_ref<const std::string&>(), max_shown_string)) : value;
  }
  std::string text = shown.dump();
  if (text.size() > max_shown_arguments) text = json{{"(left out)", fmt::format("{} bytes", text.size())}}.dump();
  return text;
}

}  // namespace

McpVerdict McpFilter::judge(std::string_view line) const {
  if (line.ends_with('\r')) line.remove_suffix(1);
  const std::size_t start = line.find_first_not_of(" \t");
  if (start == std::string_view::npos) return {};
  if (std::any_of(line.begin(), line.end(), [](char c) { return c >= 0 && c < 0x20 && c != '\t'; })) {
    return refuse(parse_error, "the message contains a control character");
  }
  if (line[start] == '[')
    return refuse(invalid_request, "JSON-RPC batches are not supported; send one message per line");
  if (line[start] != '{') return refuse(parse_error, "a message must be one JSON object on one line");
  const GuardedJson parsed = guarded_parse(line);
  if (!parsed.refusal.empty()) return refuse(parse_error, "the message was not taken: " + parsed.refusal);
  return judge_message(parsed.value);
}

McpVerdict McpFilter::judge_too_long(std::size_t limit) const {
  return refuse(invalid_request, fmt::format("a message may have {} bytes at most", limit));
}

McpVerdict McpFilter::judge_message(const json& message) const {
  if (const std::string key = lookalike(message, message_keys); !key.empty()) {
    return refuse(invalid_request, fmt::format("the key \"{}\" is written in another case than the protocol's", key));
  }
  std::string id;
  if (const auto found = message.find("id"); found != message.end()) {
    if (!found->is_string() && !found->is_number_integer())
      return refuse(invalid_request, "an id must be a string or an integer");
    id = found->dump();
    if (id.size() > max_id_bytes)
      return refuse(invalid_request, fmt::format("an id may have {} bytes at most", max_id_bytes));
  }
  const auto method = message.find("method");
  if (method == message.end()) {
    // An answer to something the server asked.
    if (!message.contains("result") && !message.contains("error"))
      return refuse(invalid_request, "the message has no method", id);
    return {.action = McpVerdict::Action::pass};
  }
  if (!method->is_string()) return refuse(invalid_request, "the method must be a string", id);
  McpVerdict verdict{.action = McpVerdict::Action::pass, .id = id};
  const auto params = message.find("params");
  if (*method == "notifications/cancelled" && params != message.end() && params->is_object()) {
    if (const auto cancelled = params->find("requestId"); cancelled != params->end()) {
      if (cancelled->is_string() || cancelled->is_number_integer()) verdict.cancelled = cancelled->dump();
    }
  }
  if (*method == "tools/call") {
    verdict.is_call = true;
    judge_call(params == message.end() ? json() : *params, verdict);
  }
  return verdict;
}

void McpFilter::judge_call(const json& params, McpVerdict& verdict) const {
  const auto malformed = [&](const std::string& reason) {
    McpVerdict refusal = refuse(invalid_params, reason, verdict.id);
    verdict.action = refusal.action;
    verdict.reply = std::move(refusal.reply);
    verdict.reason = std::move(refusal.reason);
  };
  verdict.arguments = "{}";
  if (!params.is_object()) return malformed("tools/call needs params");
  if (const std::string key = lookalike(params, call_keys); !key.empty()) {
    return malformed(fmt::format("the key \"{}\" is written in another case than the protocol's", key));
  }
  const auto name = params.find("name");
  if (name == params.end() || !name->is_string()) return malformed("tools/call needs the tool's name");
  const std::string& tool = name->get_ref<const std::string&>();
  verdict.tool = utf8_prefix(tool, max_tool_bytes);
  const auto found = params.find("arguments");
  const json arguments = found == params.end() || found->is_null() ? json::object() : *found;
  if (!arguments.is_object()) return malformed("the arguments must be an object");
  verdict.arguments = shown_arguments(arguments);
  const std::string reason = objection(tool, arguments);
  if (reason.empty()) return;
  if (verdict.id.empty()) {
    // Nobody waits for an answer to a notification; it is no call either, but some servers might take it for one.
    verdict.action = McpVerdict::Action::drop;
    verdict.reason = reason;
    return;
  }
  verdict = refuse_request(std::move(verdict), reason);
}

McpVerdict McpFilter::refuse_request(McpVerdict verdict, const std::string& reason) {
  verdict.action = McpVerdict::Action::refuse;
  verdict.reason = reason;
  if (verdict.is_call) {
    // A tool's own failure (MCP, server/tools, "Error Handling") is what agents show to their model; a protocol error
    // may end the agent's turn instead.
    verdict.reply =
        message_line({{"jsonrpc", "2.0"},
                      {"id", json::parse(verdict.id)},
                      {"result", {{"isError", true}, {"content", {{{"type", "text"}, {"text", reason}}}}}}});
  } else {
    verdict.reply = refuse(invalid_request, reason, verdict.id).reply;
  }
  return verdict;
}

std::string McpFilter::objection(const std::string& tool, const json& arguments) const {
  const std::string shown = utf8_prefix(tool, max_tool_bytes);
  if (server_.tools_allow &&
      std::find(server_.tools_allow->begin(), server_.tools_allow->end(), tool) == server_.tools_allow->end()) {
    return fmt::format("Refused by agentvm: the profile (mcp.{}.tools.allow) does not allow the tool {}.", server_.name,
                       shown);
  }
  for (const auto& denied : server_.tools_deny) {
    if (same_name(denied, tool)) {
      return fmt::format("Refused by agentvm: the profile (mcp.{}.tools.deny) denies the tool {}.", server_.name,
                         shown);
    }
  }
  for (const auto& [denied_tool, denied_arguments] : server_.arguments_deny) {
    if (!same_name(denied_tool, tool)) continue;
    for (const auto& [key, value] : arguments.items()) {
      for (const auto& [denied_key, denied_values] : denied_arguments) {
        if (!same_name(denied_key, key)) continue;
        for (const auto& denied : denied_values) {
          if (!is_refused_value(value, denied)) continue;
          return fmt::format(
              "Refused by agentvm: the profile (mcp.{}.arguments.deny) denies {} = \"{}\" for the tool {}. Use another "
              "{} "
              "or work without it.",
              server_.name, denied_key, denied, denied_tool, denied_key);
        }
      }
    }
  }
  return {};
}

}  // namespace agentvm::gateway
