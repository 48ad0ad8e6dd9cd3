// supervisor.hpp - what a VM's supervisor answers on its control socket (HTTP/2 over a unix socket, link.hpp).
//
//   GET  /status                 Status as JSON
//   GET  /events                 events as JSON lines, from the first one on, live, until the VM is gone
//   POST /processes, /processes/N/...   passed to the guest as they are (base/wire/guest.hpp); 503 until it is ready.
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

namespace agentvm::supervisor {

/// The inherited descriptor on which the supervisor serves its first connection (the owner's), and the readiness of it.
inline constexpr int owner_fd = 3;
/// The inherited descriptor that holds the VM's lock (VmPaths::lock()): taken by whoever makes the state directory, so
/// that a starting VM never looks dead.
inline constexpr int lock_fd = 4;
/// From here on: a directory (O_PATH) for each of spec.json's shares, in its order, then the one the report is written
/// into, if spec.json has a report_file. They were checked by the caller and are used as they are: the paths in
/// spec.json may lead elsewhere by now. Of a plan on a pool's VM then follow the connection to its keeper, the streams
/// of its control and its service link, and a listening socket for each share that the VM has not got yet.
inline constexpr int first_directory_fd = 5;

}  // namespace agentvm::supervisor
