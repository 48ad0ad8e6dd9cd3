// guest.hpp - what the two worlds say to each other: paths, documents and limits of the two links.
// clang-format off
//
// Control link: the host is the HTTP/2 client, agentvm-guest answers.
//   POST /setup                   GuestSetup as JSON; 200 with SetupReply, or 500 with a sentence. May be repeated: mounts
//                                 already made stay, the list of services is replaced
//   POST /processes               ProcessSpec as JSON; 200 with field process-id when started (the stream stays open; its
//                                 trailers carry exit-code, and term-signal if killed), 404 not found, 403 not startable
//   POST /processes/N/attach      takes the place of that stream once it was lost with its link: answered the same way
//   GET  /processes/N             ProcessState as JSON
//   POST /processes/N/stdin       the body is stdin; END_STREAM closes it (a PTY gets EOF, ^D); answered 200 at the end
//   GET  /processes/N/stdout      the body is stdout (a PTY's output), until EOF; ?from=OFFSET goes on after a lost link
//   GET  /processes/N/stderr      likewise; empty for a PTY
//   POST /processes/N/resize      {"rows":R,"columns":C}
//   POST /processes/N/signal      {"signal":N}: to the foreground process group of a PTY, else to the process group
//   POST /connect/PORT            one connection to 127.0.0.1:PORT of the guest, raw both ways, half-close too;
//                                 502 when nobody listens there
//   POST /links/drop              the host is about to drop both links and will make them anew; 200 when no start of a
//                                 process is under way, then the guest ends both sessions
//   POST /shutdown                sync, then power off; 200 comes first
//   GET  /health                  {"uptime_ms":N}
// A wrong document is answered 400, a number nobody has 404, a second reader of the same stream 409, an offset that is
// not kept 416, too much of anything 503; the body is always one sentence.
// A process's output waits in its pipe until it is read; a process whose POST stream is reset is killed with its group.
// The trailers come as soon as the process itself has ended. Its output streams end when the pipe does, or, when
// children it left behind still hold the pipe, once nothing has come for 100 ms. Output nobody asks for is dropped 10 s
// after the end.
//
// A lost link takes its streams with it, never a process. After POST /links/drop the guest waits for new links as long
// as it takes; after a loss that nobody announced for 5 s, then it powers off. While there is no link, output waits in
// its pipe and stdin stays open. Offsets count a stream's bytes from the start of the process:
//   output  The guest keeps the last `replay_bytes` that it has sent. A reader that has received OFFSET bytes goes on
//           with ?from=OFFSET. That is enough for readers with a window of at most 128 KiB: more cannot be under way.
//   stdin   ProcessState::stdin_taken counts what the process will get. Whoever writes keeps the last `replay_bytes`,
//           and sends what lies behind that count on the new stream.
//   end     The exit code of POST /processes/N/attach. An ended process is forgotten only when the host's session has
//           received its outputs and its end, or 10 s of a standing link later.
//
// Service link: the guest is the client, the supervisor answers what the profile allows.
//   POST /ready                   ReadyReport as JSON, first on each link; "resumed" on every link but the first
// The connections below are answered 200 before their first byte, or refused with another status and a sentence. They end
// with their link; the guest's programs may open new ones meanwhile, which wait for the next link.
//   POST /mcp/NAME                raw MCP lines both ways; half-close passes through
//   POST /model                   one raw HTTP/1.1 connection to the model gateway
//
// Inside the guest: /run/agentvm/services.sock takes "NAME\n" (as "mcp/nixos\n"), answers "ok\n" or "error TEXT\n",
// and is that stream from then on; `agentvm-guest bridge NAME` joins it to stdin and stdout.
//
// How the links come: link_opening.hpp for virtio-serial. With vsock the guest connects to the service port at its boot,
// and the host then to the control port; later the host comes first, and the guest connects when it did.
// clang-format on
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

namespace agentvm::guest {

/// Names of the virtio-serial ports (/sys/class/virtio-ports/*/name).
inline constexpr char control_port_name[] = "agentvm.control";
inline constexpr char services_port_name[] = "agentvm.services";
/// vsock ports where the guest has a vsock: it listens on control (host connects) and connects to services on CID 2.
inline constexpr std::uint32_t control_vsock_port = 4100;
inline constexpr std::uint32_t services_vsock_port = 4101;
/// Where the guest's loopback offers the model gateway.
inline constexpr std::uint16_t model_tcp_port = 4180;
/// Connections to published ports at once.
inline constexpr std::uint32_t max_published_connections = 128;
inline constexpr char services_socket[] = "/run/agentvm/services.sock";
/// Where agentvm-guest puts itself in the guest, for `bridge`.
inline constexpr char guest_program[] = "/run/agentvm/agentvm-guest";

/// A virtiofs share to mount. The directory is made when missing.
struct Mount {
  std::string tag;
  std::string path;  ///< absolute
  bool read_only = false;
  bool operator==(const Mount&) const = default;
};

/// A file, symlink or directory to make in the guest before the first process; parents are made (0755, root).
struct FileEntry {
  std::string path;          ///< absolute
  std::string content = {};  ///< bytes (base64 in JSON)
  std::string target = {};   ///< not empty: a symlink to it
  unsigned mode = 0644;
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  bool directory = false;
  bool operator==(const FileEntry&) const = default;
};

/// The guest's one network card, and what it is told instead of asking by DHCP.
struct NetworkSetup {
  std::string mac;      ///< lower case, "02:00:00:00:00:01": the card is known by it
  std::string address;  ///< IPv4
  unsigned prefix = 24;
  std::string gateway;
  std::string resolver;
  bool operator==(const NetworkSetup&) const = default;
};

/// Everything one VM needs on top of its image.
struct GuestSetup {
  std::string hostname;
  std::string machine_id;  ///< 32 hex digits
  /// Host time at the moment of arrival, as well as the host can tell: the guest sets its clock as soon as it has read
  /// the document, so a document waits for the guest, never in a queue. 0: leave the clock. A time that is late by the
  /// guest's real-time clock does not set the clock back.
  std::int64_t clock_unix_ms = 0;
  /// Random bytes of the host's, at most 64, mixed into the guest's random numbers before anything else is done; in
  /// JSON base64. "": none. Answered with SetupReply::reseeded.
  std::string entropy;
  std::uint64_t inode_limit = 0;  ///< so many inodes the host can serve in a share; 0: no limit is known
  std::vector<Mount> mounts;
  std::vector<FileEntry> files;
  std::vector<std::string> services;  ///< what the profile allows, as "mcp/nixos", "model"
  std::uint16_t model_port = 0;       ///< 0: no model gateway
  std::optional<NetworkSetup> network = {};
  bool operator==(const GuestSetup&) const = default;
};

/// One process to start. Words are any bytes but NUL (base/wire/bytes.hpp); a variable whose name is not UTF-8, which
/// no key of JSON can be, goes into the document's "settings" as NAME=VALUE.
struct ProcessSpec {
  std::vector<std::string> argv;           ///< argv[0] is looked up on env's PATH when it has no slash
  std::map<std::string, std::string> env;  ///< the whole environment
  std::string cwd = "/";
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  bool pty = false;
  unsigned rows = 24, columns = 80;  ///< of the PTY, 1..65535
  bool stdin_null = false;           ///< stdin is /dev/null from the start (never an open pipe)
  bool operator==(const ProcessSpec&) const = default;
};

/// Boot timings, milliseconds of the guest's CLOCK_BOOTTIME.
struct ReadyReport {
  std::int64_t init_started_ms = 0;  ///< agentvm-guest's main
  std::int64_t links_open_ms = 0;
  std::int64_t ready_ms = 0;
  std::string kernel;    ///< uname -r
  bool resumed = false;  ///< the links were made anew, and what ran goes on
  bool operator==(const ReadyReport&) const = default;
};

/// What /setup answers.
struct SetupReply {
  std::int64_t took_ms = 0;  ///< mounting and writing
  std::int64_t done_ms = 0;  ///< CLOCK_BOOTTIME at its end
  bool reseeded = false;     ///< the entropy that came is in the guest's random numbers
  bool operator==(const SetupReply&) const = default;
};

/// Bytes of one output, or of stdin, from its first: how many went by, and from where they can be had again.
struct StreamRange {
  std::uint64_t from = 0;
  std::uint64_t to = 0;
  bool operator==(const StreamRange&) const = default;
};

/// What GET /processes/N answers.
struct ProcessState {
  bool ended = false;
  int exit_code = 0;              ///< once it has ended; as a shell reports it
  int term_signal = 0;            ///< 0: it was not killed
  std::uint64_t stdin_taken = 0;  ///< bytes that the process has got or will get
  StreamRange out, err;           ///< what ?from= may name
  bool operator==(const ProcessState&) const = default;
};

/// What whoever writes keeps of a stream after it was sent: the most that can be under way. That is the sender's buffer
/// (128 KiB), the chunk that overfills it (64), the reader's window (128), and one window more that the guest has read
/// of stdin and does not take, because its link is lost by then.
inline constexpr std::size_t replay_bytes = std::size_t{448} * 1024;

/// Largest JSON document either side accepts, bytes.
inline constexpr std::size_t max_document = std::size_t{16} << 20;

// JSON both ways. from_json throws Error that names the field, its rule and the value's type; unknown fields are
// ignored.
nlohmann::json to_json(const GuestSetup& value);
nlohmann::json to_json(const ProcessSpec& value);
nlohmann::json to_json(const ReadyReport& value);
nlohmann::json to_json(const SetupReply& value);
nlohmann::json to_json(const ProcessState& value);
GuestSetup guest_setup_from_json(const nlohmann::json& json);
ProcessSpec process_spec_from_json(const nlohmann::json& json);
ReadyReport ready_report_from_json(const nlohmann::json& json);
SetupReply setup_reply_from_json(const nlohmann::json& json);
ProcessState process_state_from_json(const nlohmann::json& json);

}  // namespace agentvm::guest
