// vm_directory.hpp - where everything of a VM lies on the host, and the record of what it consists of.
//
// $XDG_RUNTIME_DIR/agentvm/<vm>/  sockets, libvirt's root            (root: /run/agentvm/<vm>)
// $XDG_STATE_HOME/agentvm/vms/<vm>/  spec.json state.json lock *.log *.jsonl  (root: /var/lib/agentvm/vms/<vm>)
// $XDG_CACHE_HOME/agentvm/        images, kernels, tools               (root: /var/cache/agentvm)
// Root uses the XDG variables when they are set, so that tests and rootful shells stay apart. All directories are 0700.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace agentvm::state {

/// The user's three roots, absolute, not made yet.
struct Roots {
  std::string runtime;  ///< .../agentvm
  std::string state;    ///< .../agentvm
  std::string cache;    ///< .../agentvm
};
/// From the environment and the uid. Without XDG_RUNTIME_DIR an ordinary user gets /run/user/UID/agentvm when that is
/// there, else /tmp/agentvm-UID (made 0700 and owned by us, or refused).
Roots user_roots();

/// Every path of one VM. Unix sockets are checked against the 107-byte limit here, with the variable to change.
struct VmPaths {
  std::string name;
  std::string runtime_dir, state_dir;
  std::string spec() const { return state_dir + "/spec.json"; }
  std::string state() const { return state_dir + "/state.json"; }
  std::string lock() const { return state_dir + "/lock"; }
  std::string log(const std::string& source) const {
    return state_dir + "/" + source + ".log";
  }  ///< supervisor, console, agent, virtiofsd, vmm, mcp-NAME
  std::string journal(const std::string& what) const {
    return state_dir + "/" + what + ".jsonl";
  }  ///< events, mcp, model
  std::string supervisor_socket() const { return runtime_dir + "/sv.sock"; }
  std::string keeper_socket() const { return runtime_dir + "/keeper.sock"; }  ///< of a pool's VM
  std::string control_socket() const { return runtime_dir + "/ctl.sock"; }
  std::string services_socket() const { return runtime_dir + "/svc.sock"; }
  std::string vsock_socket() const { return runtime_dir + "/vsock"; }  ///< and "_PORT" behind it
  /// Where a share's server finds what it shares (ShareServerOptions::mount_place). Not in the runtime directory: a VMM
  /// that was taken over may write there.
  std::string share_place(std::size_t index) const { return state_dir + "/shares/" + std::to_string(index); }
  std::string share_socket(std::size_t index) const { return runtime_dir + "/fs" + std::to_string(index) + ".sock"; }
};
VmPaths vm_paths(const Roots& roots, const std::string& name);
/// Throws Error naming the path, its length and XDG_RUNTIME_DIR when a socket's path would not fit.
void check_socket_paths(const VmPaths& paths);

/// A process as it can be found again: a pid alone may be reused, a pid with its start time may not.
struct ProcessRecord {
  std::string role;  ///< supervisor, reaper, vmm, virtiofsd, mcp
  int pid = 0;
  std::uint64_t start_time = 0;  ///< field 22 of /proc/PID/stat, clock ticks
};
std::uint64_t process_start_time(int pid) noexcept;  ///< 0: no such process

/// state.json: written before each act, so that a later process can undo what a killed one did.
struct VmState {
  std::string name, uuid;
  std::string phase;    ///< starting, booting, ready, running, ended, stopping; stopped: orderly gone, kept to be read
  std::string started;  ///< RFC 3339
  std::vector<ProcessRecord> processes;
  int exit_code = -1;  ///< of the agent; -1: it has not ended
};
void write_state(const VmPaths& paths, const VmState& state);
std::optional<VmState> read_state(const VmPaths& paths);        ///< nullopt: none, or not readable as one
std::optional<std::string> uuid_of_spec(const VmPaths& paths);  ///< the "uuid" of spec.json; nullopt: none readable

/// The names of all VMs with a state or a runtime directory, sorted.
std::vector<std::string> list_vms(const Roots& roots);
/// Whether its supervisor lives (holds the lock).
bool is_alive(const VmPaths& paths);

/// The environment variable that marks every child of a VM's supervisor; its value is the VM's uuid. QEMU carries the
/// uuid on its command line (-uuid), where libvirt puts it.
inline constexpr char instance_variable[] = "AGENTVM_INSTANCE";

/// What a sweep found and did, in words; empty: there was nothing.
struct SweepResult {
  std::vector<std::string> removed;  ///< "process 1234 (virtiofsd)", "directory /run/..."
  std::vector<std::string> failed;   ///< what could not be removed, with the reason
};
/// Ends and removes everything that is left of a VM whose supervisor is dead: processes by record and by uuid (checked
/// again until none is left), mounts below its directories, then its directories. With `dry_run` only says so.
/// Never touches a VM that is_alive.
SweepResult sweep(const VmPaths& paths, bool dry_run);

}  // namespace agentvm::state
