// process.hpp - starts programs and owns the children.
#pragma once

#include <signal.h>
#include <sys/types.h>

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/unique_fd.hpp"

namespace agentvm {

/// How a program is started. Descriptors named here are borrowed; everything else is closed in the child.
struct SpawnOptions {
  std::string program;                                                 ///< absolute path, or a name looked up on $PATH
  std::vector<std::string> args = {};                                  ///< without argv[0]
  std::optional<std::map<std::string, std::string>> environment = {};  ///< nullopt: ours
  std::string directory = {};                                          ///< empty: ours
  int stdin_fd = -1;                                                   ///< -1: /dev/null
  int stdout_fd = -1;                                                  ///< -1: /dev/null
  int stderr_fd = -1;                                                  ///< -1: /dev/null
  std::vector<int> inherit = {};                                       ///< descriptors kept under their own number
  std::vector<int> numbered = {};  ///< the child has them as 3, 4, ...; no `inherit` then
  /// A directory that the child sees at `mount_place`, an absolute path, in a mount namespace of its own (and, unless
  /// we are root, a user namespace in which it is who we are): what it opens there nobody can exchange. "": none.
  std::string mount_place = {};
  int mounted_fd = -1;       ///< the directory; borrowed
  bool new_session = false;  ///< setsid; else a process group of its own
  /// A seccomp program (an array of struct sock_filter, as seccomp_export_bpf writes it) put on the child before exec,
  /// with no_new_privs; borrowed. Empty: none.
  std::string_view seccomp_filter = {};
  /// A unix socket over which the child sends the filter's listener before exec (seccomp_unotify(2), SCM_RIGHTS), for a
  /// filter that asks; nothing comes where another listens to us. -1: it does not ask.
  int seccomp_listener_to = -1;
  bool die_with_parent = true;  ///< PR_SET_PDEATHSIG: bound to the *thread* that spawns
  int death_signal = SIGKILL;   ///< what it sends; SIGTERM for a program with children that only it can end
  /// An empty session keyring of its own (keyrings(7)): else the child possesses the caller's keys, whoever it becomes.
  bool own_keyring = false;
};

/// How a process ended: an exit code, or the signal that killed it.
struct ExitStatus {
  int code = 0;
  int signal = 0;  ///< 0: it exited
  /// The shell's convention: the code, or 128 + signal.
  int shell_code() const noexcept { return signal != 0 ? 128 + signal : code; }
};

/// A started child. Destroying it kills its process group and reaps it; nobody can forget one.
class [[nodiscard]] ChildProcess {
 public:
  ChildProcess() noexcept = default;
  ChildProcess(pid_t pid, UniqueFd pidfd) noexcept : pid_(pid), pidfd_(std::move(pidfd)) {}
  ChildProcess(ChildProcess&& other) noexcept;
  ChildProcess& operator=(ChildProcess&& other) noexcept;
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;
  ~ChildProcess();

  pid_t pid() const noexcept { return pid_; }
  int pidfd() const noexcept { return pidfd_.get(); }  ///< readable when the child has ended
  bool running() const noexcept { return pid_ > 0; }

  void signal(int number) const noexcept;        ///< to the child alone
  void signal_group(int number) const noexcept;  ///< to its whole process group
  /// Waits until it ends, or until the time is up (nullopt). A negative limit waits for ever.
  std::optional<ExitStatus> wait(std::chrono::milliseconds limit = std::chrono::milliseconds(-1));
  /// SIGTERM to the group, then SIGKILL when the grace is over; reaps. Safe on an ended or moved-from child.
  void terminate(std::chrono::milliseconds grace) noexcept;
  /// Gives the child up without killing it: for what must outlive us.
  void release() noexcept;

 private:
  pid_t pid_ = -1;
  UniqueFd pidfd_;
};

/// Starts a program. Throws Error naming the program when it is not found (not_found), not startable or one that guests
/// may write (startable.hpp; both cannot_start).
ChildProcess spawn(const SpawnOptions& options);

/// Runs a program to its end with a deadline and returns what it printed, up to `limit` bytes of each stream.
struct Output {
  ExitStatus status;
  std::string out;
  std::string err;
  bool timed_out = false;
};
Output run_captured(SpawnOptions options, std::chrono::milliseconds deadline, std::size_t limit = 1 << 20);

/// The absolute path of a program: `name` itself when it holds a slash, else the first match on `path` ($PATH if
/// empty) that may be started (startable.hpp).
std::optional<std::string> find_program(const std::string& name, const std::string& path = {});

/// A pidfd for a process that is not our child; invalid when there is none.
UniqueFd open_pidfd(pid_t pid) noexcept;
/// Signals through a pidfd; false when the process is gone.
bool signal_pidfd(int pidfd, int number) noexcept;

}  // namespace agentvm
