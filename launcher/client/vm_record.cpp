// vm_record.cpp - reads and shows what `ls` lists.
#include "launcher/client/vm_record.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/text.hpp"
#include "launcher/client/vm_lookup.hpp"
#include "launcher/terminal/output.hpp"

namespace agentvm::commands {

namespace {

std::string agent_words(const vmspec::AgentSpec& agent, const std::optional<state::VmState>& state) {
  std::string words = agent.kind;
  if (agent.kind == "command" && !agent.argv.empty()) {
    words = printable(agent.argv.front().substr(agent.argv.front().rfind('/') + 1));
  }
  if (state && state->exit_code >= 0) words += fmt::format(" (exit {})", state->exit_code);
  return words;
}

Color color_of(const std::string& condition) {
  if (condition == "running") return Color::green;
  if (condition == "dead") return Color::red;
  return condition == "stopped" || condition == "ended" ? Color::dim : Color::yellow;
}

std::string or_dash(const std::string& text) {
  return text.empty() ? "-" : text;
}

}  // namespace

VmRecord vm_record(const state::VmPaths& paths) {
  const auto spec = read_spec(paths);
  const auto state = state::read_state(paths);
  VmRecord record;
  record.name = paths.name;
  record.condition = vm_condition(paths, state);
  if (spec) {
    record.profile = spec->profile;
    record.workspace = spec->workspace;
    record.agent = agent_words(spec->agent, state);
    record.uuid = spec->uuid;
  }
  const bool alive = record.condition != "dead" && record.condition != "stopped";
  if (alive && state) record.uptime_ms = milliseconds_since(state->started);
  return record;
}

std::string record_table(const std::vector<VmRecord>& records, bool color) {
  std::vector<std::vector<std::string>> rows = {{"NAME", "STATE", "PROFILE", "UPTIME", "AGENT", "WORKSPACE"}};
  for (const VmRecord& record : records) {
    rows.push_back({record.name, colored(record.condition, color_of(record.condition), color), or_dash(record.profile),
                    human_time(record.uptime_ms), or_dash(record.agent), or_dash(printable(record.workspace))});
  }
  return table(rows);
}

nlohmann::json to_json(const VmRecord& record) {
  nlohmann::json document = {{"name", record.name},           {"state", record.condition}, {"profile", record.profile},
                             {"workspace", record.workspace}, {"agent", record.agent},     {"uuid", record.uuid},
                             {"uptime_ms", record.uptime_ms}};
  if (record.uptime_ms < 0) document["uptime_ms"] = nullptr;
  return document;
}

}  // namespace agentvm::commands
