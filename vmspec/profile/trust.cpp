// trust.cpp - compares an untrusted layer with what is below it.
#include "vmspec/profile/trust.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "vmspec/profile/keys.hpp"

namespace agentvm::vmspec {

namespace {

/// A value as the message shows it: TOML, cut where it is long.
std::string cut_value(const std::string& shown) {
  if (shown.empty()) return "none";
  const std::string quoted = quote_value(shown);
  return quoted.substr(1, quoted.size() - 2);
}

void judge_key(const KeyRule& rule, const std::string& key, const KeySubject& below, const KeySubject& value,
               std::vector<Problem>& problems) {
  const std::string before = rule.show(below);
  const std::string after = rule.show(value);
  if (before == after || rule.trust.allows(below, value)) return;
  problems.push_back(problem_at(value.profile.origin(key), key,
                                fmt::format("a file in the workspace {} (from {} to {})", rule.trust.rule(),
                                            cut_value(before), cut_value(after))));
}

}  // namespace

std::string Trust::rule() const {
  if (kind_ == Kind::any) return "";
  return kind_ == Kind::trusted ? "may not set it" : fmt::format("may only {}", rule_);
}

void judge_untrusted_layer(const Profile& below, const Profile& value, std::vector<Problem>& problems) {
  const std::size_t earlier = problems.size();
  for (const KeyRule& rule : key_rules()) {
    if (!is_server_key(rule)) judge_key(rule, std::string(rule.key), {below}, {value}, problems);
  }
  const McpServer none;
  for (const auto& [name, server] : value.mcp) {
    const auto found = below.mcp.find(name);
    const McpServer& server_below = found == below.mcp.end() ? none : found->second;
    for (const KeyRule& rule : key_rules()) {
      if (!is_server_key(rule)) continue;
      judge_key(rule, key_of_server(rule, name), {below, &server_below}, {value, &server}, problems);
    }
  }
  if (problems.size() > earlier) {
    problems.back().hint = "an agent may have written the file: read it, then run again with --trust-workspace";
  }
}

namespace narrowing {

bool is_subset(const Strings& part, const Strings& whole) {
  return std::all_of(part.begin(), part.end(), [&](const std::string& item) {
    return std::find(whole.begin(), whole.end(), item) != whole.end();
  });
}

bool allows_less(const Strings& below, const Strings& value) {
  return !value.empty() && is_subset(value, below);
}

bool is_shorter(std::int64_t below_ms, std::int64_t value_ms) {
  return value_ms > 0 && (below_ms == 0 || value_ms <= below_ms);
}

bool reaches_less(EgressChoice below, EgressChoice value) {
  return value == EgressChoice::none || below == EgressChoice::nat;
}

bool writes_less(WorkspaceMode below, WorkspaceMode value) {
  const auto rank = [](WorkspaceMode mode) {
    return mode == WorkspaceMode::shared ? 2 : mode == WorkspaceMode::review ? 1 : 0;
  };
  return rank(value) <= rank(below);
}

bool refuses_more(const Refusals& below, const Refusals& value) {
  for (const auto& [tool, arguments] : below) {
    const auto same_tool = value.find(tool);
    for (const auto& [argument, refused] : arguments) {
      if (refused.empty()) continue;
      if (same_tool == value.end()) return false;
      const auto same_argument = same_tool->second.find(argument);
      if (same_argument == same_tool->second.end() || !is_subset(refused, same_argument->second)) return false;
    }
  }
  return true;
}

}  // namespace narrowing

}  // namespace agentvm::vmspec
