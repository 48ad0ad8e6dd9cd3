// vm_spec.hpp - the whole plan of one run as a plain value: what the supervisor performs and `--dry-run` prints.
//
// Pure: made from a Profile, HostFacts and the command line by make_vm_spec (plan.hpp), rendered by render_*.hpp. No
// secret is ever in it: a model key is named by where it comes from.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace agentvm::vmspec {

enum class Accelerator { kvm, tcg };
enum class HypervisorKind { qemu, cloud_hypervisor };
enum class GuestKind { host, nix };
enum class WorkspaceMode { shared, read_only, review };
enum class Egress { nat, proxy, none };

/// How owners look through a share.
enum class ShareOwner {
  root,    ///< everything belongs to guest root (system trees)
  caller,  ///< guest root and the agent both write; every file on the host belongs to owner_uid/owner_gid
};

/// The tag of the workspace's share: every plan has one.
inline constexpr char workspace_tag[] = "workspace";
/// The tag of the host's /usr, in a guest that is the host's own system.
inline constexpr char system_tag[] = "usr";
/// The tag of the directory that the agent's program lies in.
inline constexpr char agent_tag[] = "agent";

/// A host directory the guest sees.
struct ShareSpec {
  std::string tag;          ///< virtiofs tag, [a-z0-9-], at most 36 bytes (virtio 1.2, 5.11.4)
  std::string source;       ///< absolute host path
  std::string mount_point;  ///< absolute guest path
  bool read_only = true;
  ShareOwner owner = ShareOwner::root;
  bool operator==(const ShareSpec&) const = default;
};

/// Kernel, initramfs and how the guest is entered: data, whatever made it.
struct GuestImage {
  GuestKind kind = GuestKind::host;
  std::string kernel;          ///< absolute path
  std::string kernel_version;  ///< as in /lib/modules
  std::string modules;         ///< directory of that version's modules; host guest
  std::string initramfs;       ///< absolute path; empty until the image is built
  std::string path;            ///< PATH inside
  // Of a nix guest alone:
  std::vector<std::string> kernel_params;  ///< its own, before agentvm's
  std::string store_disk;                  ///< absolute path of an image with its store; "": the store is a share
  std::string gc_root;                     ///< absolute path of the link that keeps all of it; `gc` leaves it alone
  std::string devshell_root;               ///< likewise of the workspace's devShell, of any guest; "": none is entered
  bool operator==(const GuestImage&) const = default;
};

/// A file made in the guest before anything runs (see guest::FileEntry).
struct GuestFile {
  std::string path;
  std::string content = {};
  std::string target = {};
  unsigned mode = 0644;
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  bool directory = false;
  bool operator==(const GuestFile&) const = default;
};

/// What runs: the agent or a command.
struct AgentSpec {
  std::string kind;  ///< codex | command
  std::vector<std::string> argv;
  std::map<std::string, std::string> env;
  std::string cwd;
  std::uint32_t uid = 1000;
  std::uint32_t gid = 1000;
  bool pty = false;
  bool stdin_null = true;
  std::int64_t timeout_ms = 0;  ///< 0: none
  bool hook = false;            ///< the devShell's hook, env's shellHook, is run before argv (entering_devshell)
  bool operator==(const AgentSpec&) const = default;
};

/// Where the model's key comes from; the key itself is read by the supervisor.
struct KeySource {
  enum class Kind { none, env, file, command } kind = Kind::none;
  std::string name = {};  ///< variable or absolute file path
  std::vector<std::string> command = {};
  bool operator==(const KeySource&) const = default;
};

struct ModelSpec {
  std::string name;      ///< "": the agent's own default
  std::string upstream;  ///< https://..., or http:// to a loopback address
  KeySource key;
  bool operator==(const ModelSpec&) const = default;
};

/// One MCP server on the host, and what the guest may ask of it.
struct McpSpec {
  std::string name;
  std::vector<std::string> command;                     ///< command[0] is an absolute host path
  std::optional<std::vector<std::string>> tools_allow;  ///< nullopt: all but tools_deny
  std::vector<std::string> tools_deny;
  /// tool -> argument -> refused values
  std::map<std::string, std::map<std::string, std::vector<std::string>>> arguments_deny;
  std::map<std::string, std::string> env = {};
  std::vector<std::string> network = {};  ///< hosts it may reach; empty: none
  bool operator==(const McpSpec&) const = default;
};

/// A port of the guest's loopback that the host offers as one of its own.
struct PublishSpec {
  std::string address;  ///< of the host: IPv4, or IPv6 without brackets
  std::uint16_t port = 0;
  std::uint16_t guest_port = 0;
  bool operator==(const PublishSpec&) const = default;
};

/// A VM that a pool had booted before a run took it.
struct PooledVm {
  std::string pool;
  std::string name = {};                 ///< of the VM, as the pool calls it; "": a dry run, which takes none
  std::vector<std::string> shares = {};  ///< tags of those that it has already, and whose servers are the pool's
  bool shared_links = false;             ///< what was said on them before may still come
  bool operator==(const PooledVm&) const = default;
};

struct VmSpec {
  std::string name;     ///< [a-z0-9][a-z0-9-]{0,40}
  std::string uuid;     ///< RFC 4122, lower case; marks every process of the VM
  std::string profile;  ///< the profile's name, for `ls`
  unsigned vcpus = 1;
  std::uint64_t memory_bytes = 0;
  std::uint64_t disk_bytes = 0;  ///< limit of the guest's tmpfs root
  HypervisorKind hypervisor = HypervisorKind::qemu;
  Accelerator accelerator = Accelerator::tcg;
  unsigned spare_ports = 2;        ///< QEMU: for so many devices there is room while the VM lives
  bool gives_memory_back = false;  ///< pages that it has no use for go to the host while it runs
  std::string connect;             ///< libvirt: "embed", "session", "system" or a URI
  std::string emulator;            ///< absolute path of the VMM: qemu-system-* or cloud-hypervisor
  std::string virtiofsd;           ///< absolute path
  std::string bubblewrap;          ///< absolute path, "" when there is none
  GuestImage image;
  std::string hostname;
  std::string machine_id;
  std::uint32_t owner_uid = 0;  ///< to whom files written through `caller` shares belong on the host
  std::uint32_t owner_gid = 0;
  std::string workspace;  ///< absolute host path
  WorkspaceMode workspace_mode = WorkspaceMode::shared;
  std::vector<ShareSpec> shares;
  std::vector<GuestFile> files;
  AgentSpec agent;
  std::optional<ModelSpec> model;
  std::vector<McpSpec> mcp;
  Egress egress = Egress::none;
  std::vector<PublishSpec> publish;
  std::optional<PooledVm> pooled = {};    ///< nullopt: the run boots a VM of its own
  bool keep = false;                      ///< the VM stays when the agent has ended
  bool detached = false;                  ///< nobody owns it: it lives on without its caller
  std::string report_file = {};           ///< absolute; the supervisor writes the report there at the end; "": nowhere
  std::int64_t started_unix_ms = 0;       ///< when `run` was called: what the report's times count from
  std::int64_t boot_timeout_ms = 60'000;  ///< for so long a booting guest may say nothing new (boot_watch.hpp)
  std::vector<std::string> notes;         ///< sentences: what was chosen or clamped, and why
  std::vector<std::string> advice;        ///< those of them that the user can act on before the boot: for the banner
  bool operator==(const VmSpec&) const = default;
};

/// JSON both ways (spec.json, --dry-run). Both readers throw Error naming the field; fields that nobody knows are
/// passed over.
nlohmann::json to_json(const VmSpec& spec);
VmSpec vm_spec_from_json(const nlohmann::json& json);
/// From a text within limits of size and depth, without a key twice.
VmSpec parse_vm_spec(std::string_view text);
/// Largest spec.json, bytes.
inline constexpr std::size_t max_spec_text = std::size_t{64} << 20;

}  // namespace agentvm::vmspec
