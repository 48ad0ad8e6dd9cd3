// report.hpp - what a run amounts to, for people and for --report FILE.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace agentvm::supervisor {

/// What a run amounts to, for people and for --report FILE.
struct Report {
  std::string name;
  int exit_code = 0;
  std::string ended;          ///< "agent ended", "stopped", "timeout", "guest crashed", ...
  std::int64_t ready_ms = 0;  ///< run -> guest ready
  std::int64_t agent_started_ms = 0;
  std::int64_t total_ms = 0;
  struct FileChange {
    std::string path;
    char kind = 'M';                      ///< A added, M changed, D deleted
    std::int64_t added = 0, removed = 0;  ///< lines; -1: binary or too large to say
  };
  std::vector<FileChange> files;
  bool files_truncated = false;
  /// What the host's Git would execute in the workspace now and would not have before.
  struct GitChange {
    std::string path;    ///< relative to the workspace
    std::string reason;  ///< the end of a sentence about it: "is a new hook"
  };
  std::vector<GitChange> git;
  std::vector<std::string> commands;       ///< shell commands the model asked for, at most 1000
  std::string mcp_calls_json = "[]";       ///< the mcp-call events, a JSON array
  std::string model_requests_json = "[]";  ///< the model-request events, a JSON array
  /// By kind of event: how many came beyond what is kept, and are in neither list.
  std::map<std::string, std::uint64_t> dropped_events;
};

nlohmann::json to_json(const Report& report);
Report report_from_json(const nlohmann::json& json);

}  // namespace agentvm::supervisor
