// api.hpp - what a VM's supervisor answers on its control socket (HTTP/2 over a unix socket, link.hpp).
//
//   GET  /status                 Status as JSON
//   GET  /events                 events as JSON lines, from the first one on, live, until the VM is gone
//   POST /processes, /processes/N/...   passed to the guest as they are (guest/protocol.hpp); 503 until it is ready.
//                                A missing "env", "uid", "gid" or "cwd" of the spec is filled in from the agent's own
//   GET  /agent/stdout           the agent's output: the last of it (up to 256 KiB), then live, until it ends;
//                                trailer exit-code
//   GET  /agent/stderr           likewise
//   POST /agent/stdin            bytes for the agent; END_STREAM closes its stdin. 409 when it has none
//   POST /agent/resize           {"rows":R,"columns":C}
//   POST /agent/signal           {"signal":N}
//   POST /agent/start            {"rows":R,"columns":C}, or no body: an attached run's agent waits for this, so that
//   its
//                                caller is listening and its window is known. A detached one starts by itself
//   POST /stop                   {"deadline_ms":N,"force":BOOL}: asks the guest to power off, then kills; answered 200
//                                with the Report when everything is gone
//   POST /own                    the stream of the run's owner: held open; when it closes before the VM is gone, an
//                                attached run is torn down. Answered 200 at once, finished with the Report as body
//
// Events: {"event":NAME,"time":"RFC 3339 with ms", ...}
//   step    {"step":"shares"|"mcp"|"vmm"|"kernel"|"setup", "text":SENTENCE}
//   ready   {"boot_ms":N, "guest":ReadyReport}
//   agent-started {"argv":[...], "started_ms":N}
//   mcp-call {"server":S,"tool":T,"arguments":{...},"ok":BOOL,"refused":BOOL,"text":first 300 bytes of the
//   answer,"ms":N} model-request {"method":M,"path":P,"status":N,"ms":N,"request_bytes":N,"response_bytes":N} command
//   {"command":S}     a shell command the agent's model asked for, as the model gateway saw it (first 300 bytes)
//   agent-ended {"exit_code":N}
//   failed  {"message":M,"hint":H,"exit_code":N}
//   stopped {"report":{...}}
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace agentvm::supervisor {

/// The inherited descriptor on which the supervisor serves its first connection (the owner's), and the readiness of it.
inline constexpr int owner_fd = 3;
/// The inherited descriptor that holds the VM's lock (VmPaths::lock()): taken by whoever makes the state directory, so
/// that a starting VM never looks dead.
inline constexpr int lock_fd = 4;

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
  std::vector<std::string> commands;       ///< shell commands the model asked for, at most 1000
  std::string mcp_calls_json = "[]";       ///< the mcp-call events, a JSON array
  std::string model_requests_json = "[]";  ///< the model-request events, a JSON array
};

nlohmann::json to_json(const Report& report);
Report report_from_json(const nlohmann::json& json);

}  // namespace agentvm::supervisor
