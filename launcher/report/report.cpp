// report.cpp - the run's report as JSON.
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "launcher/report/report.hpp"

namespace agentvm::supervisor {

nlohmann::json to_json(const Report& report) {
  nlohmann::json files = nlohmann::json::array();
  for (const auto& file : report.files) {
    nlohmann::json entry{{"path", file.path}, {"kind", std::string(1, file.kind)}};
    if (file.added >= 0) entry["added"] = file.added;
    if (file.removed >= 0) entry["removed"] = file.removed;
    files.push_back(std::move(entry));
  }
  nlohmann::json git = nlohmann::json::array();
  for (const auto& change : report.git) git.push_back({{"path", change.path}, {"reason", change.reason}});
  const auto array = [](const std::string& text) {
    auto parsed = nlohmann::json::parse(text, nullptr, false);
    return parsed.is_array() ? parsed : nlohmann::json::array();
  };
  return {{"name", report.name},
          {"exit_code", report.exit_code},
          {"ended", report.ended},
          {"ready_ms", report.ready_ms},
          {"agent_started_ms", report.agent_started_ms},
          {"total_ms", report.total_ms},
          {"files", std::move(files)},
          {"files_truncated", report.files_truncated},
          {"git", std::move(git)},
          {"commands", report.commands},
          {"mcp_calls", array(report.mcp_calls_json)},
          {"model_requests", array(report.model_requests_json)},
          {"dropped_events", report.dropped_events}};
}

Report report_from_json(const nlohmann::json& json) {
  try {
    Report report;
    report.name = json.at("name");
    report.exit_code = json.at("exit_code");
    report.ended = json.at("ended");
    report.ready_ms = json.at("ready_ms");
    report.agent_started_ms = json.at("agent_started_ms");
    report.total_ms = json.at("total_ms");
    for (const auto& entry : json.at("files")) {
      Report::FileChange change;
      change.path = entry.at("path");
      const std::string kind = entry.at("kind");
      change.kind = kind.empty() ? 'M' : kind.front();
      change.added = entry.value("added", std::int64_t{-1});
      change.removed = entry.value("removed", std::int64_t{-1});
      report.files.push_back(std::move(change));
    }
    report.files_truncated = json.at("files_truncated");
    if (json.contains("git")) {
      for (const auto& change : json["git"]) report.git.push_back({change.at("path"), change.at("reason")});
    }
    report.commands = json.at("commands").get<std::vector<std::string>>();
    report.mcp_calls_json = json.at("mcp_calls").dump();
    report.model_requests_json = json.at("model_requests").dump();
    if (json.contains("dropped_events")) {
      report.dropped_events = json["dropped_events"].get<std::map<std::string, std::uint64_t>>();
    }
    return report;
  } catch (const nlohmann::json::exception& error) {
    throw Error(std::string("the report cannot be read: ") + error.what());
  }
}

}  // namespace agentvm::supervisor
