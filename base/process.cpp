// process.cpp - fork, exec and pidfds; what runs between fork and exec is async-signal-safe only (signal-safety(7)).
#include "base/process.hpp"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/keyctl.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <sstream>

#include "base/error.hpp"
#include "base/startable.hpp"

extern char** environ;

namespace agentvm {

namespace {

// glibc 2.36 declares pidfd_open without extern "C" (sys/pidfd.h), so C++ would not link: the system call itself.
int pidfd_open(pid_t pid) noexcept {
  return static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
}
int pidfd_send_signal(int pidfd, int number) noexcept {
  return static_cast<int>(syscall(SYS_pidfd_send_signal, pidfd, number, nullptr, 0));
}

/// The map of a namespace in which an ordinary user is who he was; nullptr for root, who needs none.
const char* user_map(unsigned id, std::string& text) {
  if (geteuid() == 0) return nullptr;
  text = std::to_string(id) + " " + std::to_string(id) + " 1";
  return text.c_str();
}

std::vector<char*> pointers(std::vector<std::string>& strings) {
  std::vector<char*> result;
  result.reserve(strings.size() + 1);
  for (auto& string : strings) result.push_back(string.data());
  result.push_back(nullptr);
  return result;
}

/// Everything the child needs, made before fork so that it allocates nothing.
struct ChildPlan {
  const char* program;
  char* const* argv;
  char* const* envp;
  const char* directory;
  int stdio[3];
  std::vector<int> inherit;   // sorted
  std::vector<int> numbered;  // for 3, 4, ...; the child moves them
  const char* mount_place;    // nullptr: no mount namespace of its own
  int mounted_fd;
  const char* uid_map;  // nullptr: no user namespace is needed for the mount
  const char* gid_map;
  bool new_session;
  bool die_with_parent;
  int death_signal;
  bool own_keyring;
  sock_fprog seccomp;  // len 0: none
  int listener_to;     // -1: nowhere
  pid_t parent;
  int error_fd;
};

[[noreturn]] void fail_child(int error_fd) noexcept {
  const int error = errno;
  [[maybe_unused]] const ssize_t written = write(error_fd, &error, sizeof error);
  _exit(127);
}

void close_range_or_fail(unsigned first, unsigned last) noexcept {
  if (first <= last) syscall(SYS_close_range, first, last, 0);
}

bool send_descriptor(int socket, int fd) noexcept {
  char byte = 0;
  iovec data{&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof fd)] = {};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof fd);
  std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
  return sendmsg(socket, &message, MSG_NOSIGNAL) == 1;
}

/// While the socket is still open: the listener and it are closed with everything else that is not inherited.
bool install_filter(const ChildPlan& plan) noexcept {
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) return false;
  if (plan.listener_to < 0) return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &plan.seccomp) == 0;
  const auto listener =
      static_cast<int>(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &plan.seccomp));
  // Where a container's manager listens already there is no second listener: what would ask fails (ENOSYS).
  if (listener < 0) return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &plan.seccomp) == 0;
  return send_descriptor(plan.listener_to, listener);
}

void write_or_fail(const char* path, const char* text, int error_fd) noexcept {
  const int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0 || write(fd, text, strlen(text)) < 0) fail_child(error_fd);
  close(fd);
}

/// Puts a directory where its path cannot be changed by anybody: into a mount namespace of the child's own. A
/// descriptor stays with the mounts of the namespace it was opened in; the working directory moves along.
void mount_directory(const ChildPlan& plan) noexcept {
  const int user = plan.uid_map != nullptr ? CLONE_NEWUSER : 0;
  if (fchdir(plan.mounted_fd) < 0 || unshare(CLONE_NEWNS | user) < 0) fail_child(plan.error_fd);
  if (plan.uid_map != nullptr) {
    write_or_fail("/proc/self/setgroups", "deny", plan.error_fd);
    write_or_fail("/proc/self/uid_map", plan.uid_map, plan.error_fd);
    write_or_fail("/proc/self/gid_map", plan.gid_map, plan.error_fd);
  }
  if (mount(nullptr, "/", nullptr, MS_SLAVE | MS_REC, nullptr) < 0 ||
      mount(".", plan.mount_place, nullptr, MS_BIND | MS_REC, nullptr) < 0 || chdir("/") < 0) {
    fail_child(plan.error_fd);
  }
}

/// Sources that stand where 0, 1, 2 and the numbers from 3 on will be move up.
void clear_numbers(ChildPlan& plan) noexcept {
  const int beyond = 3 + static_cast<int>(plan.numbered.size());
  for (int& fd : plan.numbered) {
    if (fd < beyond) fd = fcntl(fd, F_DUPFD_CLOEXEC, beyond);
    if (fd < 0) fail_child(plan.error_fd);
  }
}

[[noreturn]] void run_child(ChildPlan& plan) noexcept {
  if (plan.new_session ? setsid() < 0 : setpgid(0, 0) < 0) fail_child(plan.error_fd);
  if (plan.mount_place != nullptr) mount_directory(plan);
  if (plan.die_with_parent) {
    if (prctl(PR_SET_PDEATHSIG, plan.death_signal) < 0) fail_child(plan.error_fd);
    if (getppid() != plan.parent) _exit(127);  // the parent died before the request took effect
  }
  // Where there are no keyrings, or a container's filter keeps everybody from them, there is nothing to hide.
  if (plan.own_keyring && syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, nullptr) < 0 && errno != ENOSYS &&
      errno != EPERM) {
    fail_child(plan.error_fd);
  }
  if (plan.listener_to >= 0 && !install_filter(plan)) fail_child(plan.error_fd);
  clear_numbers(plan);
  // dup2 onto 0..2 must not overwrite a source that is still needed, so sources below 3 move up first.
  int source[3];
  for (int i = 0; i < 3; ++i) {
    source[i] = plan.stdio[i];
    if (source[i] < 0) source[i] = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (source[i] < 0) fail_child(plan.error_fd);
    if (source[i] < 3) source[i] = fcntl(source[i], F_DUPFD_CLOEXEC, 3);
    if (source[i] < 0) fail_child(plan.error_fd);
  }
  for (int i = 0; i < 3; ++i) {
    if (dup2(source[i], i) < 0) fail_child(plan.error_fd);
  }
  int number = 3;
  for (const int fd : plan.numbered) {
    if (dup2(fd, number++) < 0) fail_child(plan.error_fd);
  }
  unsigned next = 3 + static_cast<unsigned>(plan.numbered.size());
  bool error_fd_seen = false;
  for (const int fd : plan.inherit) {
    if (fd > plan.error_fd && !error_fd_seen) {
      close_range_or_fail(next, static_cast<unsigned>(plan.error_fd) - 1);
      next = static_cast<unsigned>(plan.error_fd) + 1;
      error_fd_seen = true;
    }
    const int flags = fcntl(fd, F_GETFD);
    if (flags < 0 || fcntl(fd, F_SETFD, flags & ~FD_CLOEXEC) < 0) fail_child(plan.error_fd);
    if (static_cast<unsigned>(fd) > next) close_range_or_fail(next, static_cast<unsigned>(fd) - 1);
    next = static_cast<unsigned>(fd) + 1;
  }
  if (!error_fd_seen) {
    if (static_cast<unsigned>(plan.error_fd) > next)
      close_range_or_fail(next, static_cast<unsigned>(plan.error_fd) - 1);
    next = static_cast<unsigned>(plan.error_fd) + 1;
  }
  close_range_or_fail(next, ~0U);

  for (int caught = 1; caught < NSIG; ++caught) signal(caught, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  if (plan.directory != nullptr && chdir(plan.directory) < 0) fail_child(plan.error_fd);
  if (plan.seccomp.len > 0 && plan.listener_to < 0 && !install_filter(plan)) fail_child(plan.error_fd);
  execve(plan.program, plan.argv, plan.envp);
  fail_child(plan.error_fd);
}

bool poll_readable(int fd, std::chrono::milliseconds limit) noexcept {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  for (;;) {
    int timeout = -1;
    if (limit.count() >= 0) {
      const auto left =
          std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
      timeout = static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 1 << 30));
    }
    pollfd item{fd, POLLIN, 0};
    const int ready = poll(&item, 1, timeout);
    if (ready > 0) return true;
    if (ready == 0) return false;
    if (errno != EINTR) return false;
  }
}

}  // namespace

ChildProcess::ChildProcess(ChildProcess&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)), pidfd_(std::move(other.pidfd_)) {}

ChildProcess& ChildProcess::operator=(ChildProcess&& other) noexcept {
  if (this != &other) {
    terminate(std::chrono::milliseconds(0));
    pid_ = std::exchange(other.pid_, -1);
    pidfd_ = std::move(other.pidfd_);
  }
  return *this;
}

ChildProcess::~ChildProcess() {
  terminate(std::chrono::milliseconds(0));
}

void ChildProcess::signal(int number) const noexcept {
  if (running()) pidfd_send_signal(pidfd_.get(), number);
}

void ChildProcess::signal_group(int number) const noexcept {
  // The child is not reaped yet, so its pid, and with it the group's number, cannot belong to anybody else.
  if (running()) ::kill(-pid_, number);
}

std::optional<ExitStatus> ChildProcess::wait(std::chrono::milliseconds limit) {
  if (!running()) return ExitStatus{};
  if (!poll_readable(pidfd_.get(), limit)) return std::nullopt;
  siginfo_t info{};
  while (waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED) < 0) {
    if (errno != EINTR) throw system_error(errno, "waiting for process " + std::to_string(pid_));
  }
  pid_ = -1;
  pidfd_.reset();
  if (info.si_code == CLD_EXITED) return ExitStatus{info.si_status, 0};
  return ExitStatus{0, info.si_status};
}

void ChildProcess::terminate(std::chrono::milliseconds grace) noexcept {
  if (!running()) return;
  if (grace.count() > 0) {
    signal_group(SIGTERM);
    poll_readable(pidfd_.get(), grace);
  }
  signal_group(SIGKILL);
  signal(SIGKILL);  // a child that moved to another group is still ours
  siginfo_t info{};
  while (waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED) < 0 && errno == EINTR) {
  }
  pid_ = -1;
  pidfd_.reset();
}

void ChildProcess::release() noexcept {
  pid_ = -1;
  pidfd_.reset();
}

ChildProcess spawn(const SpawnOptions& options) {
  const auto program = find_program(options.program);
  if (!program) {
    throw Error(
        options.program + ": no such program" + (options.program.find('/') == std::string::npos ? " on PATH" : ""), {},
        ExitCode::not_found);
  }
  if (const auto place = forbidden_place(*program)) {
    throw Error(*program + " is not started: a guest may write in " + *place, {}, ExitCode::cannot_start);
  }
  std::vector<std::string> argv_strings{options.program};
  argv_strings.insert(argv_strings.end(), options.args.begin(), options.args.end());
  std::vector<std::string> env_strings;
  if (options.environment) {
    for (const auto& [name, value] : *options.environment) env_strings.push_back(name + "=" + value);
  }
  std::vector<char*> argv = pointers(argv_strings);
  std::vector<char*> envp = pointers(env_strings);

  int pipe_fds[2];
  if (pipe2(pipe_fds, O_CLOEXEC) < 0) throw system_error(errno, "making a pipe");
  UniqueFd error_read(pipe_fds[0]);
  // High up, so that it never stands where an inherited descriptor must stay.
  const int beyond = 3 + static_cast<int>(options.numbered.size());
  UniqueFd error_write(fcntl(pipe_fds[1], F_DUPFD_CLOEXEC, std::max(512, beyond)));
  if (!error_write) error_write.reset(fcntl(pipe_fds[1], F_DUPFD_CLOEXEC, beyond));
  close(pipe_fds[1]);
  if (!error_write) throw system_error(errno, "duplicating a descriptor");

  // The kernel wants its own struct's alignment, which a string does not promise.
  std::vector<sock_filter> filter(options.seccomp_filter.size() / sizeof(sock_filter));
  if (!filter.empty()) std::memcpy(filter.data(), options.seccomp_filter.data(), filter.size() * sizeof(sock_filter));

  std::string uid_map;
  std::string gid_map;
  ChildPlan plan{program->c_str(),
                 argv.data(),
                 options.environment ? envp.data() : environ,
                 options.directory.empty() ? nullptr : options.directory.c_str(),
                 {options.stdin_fd, options.stdout_fd, options.stderr_fd},
                 options.inherit,
                 options.numbered,
                 options.mount_place.empty() ? nullptr : options.mount_place.c_str(),
                 options.mounted_fd,
                 user_map(geteuid(), uid_map),
                 user_map(getegid(), gid_map),
                 options.new_session,
                 options.die_with_parent,
                 options.death_signal,
                 options.own_keyring,
                 {static_cast<unsigned short>(filter.size()), filter.data()},
                 options.seccomp_listener_to,
                 getpid(),
                 error_write.get()};
  std::sort(plan.inherit.begin(), plan.inherit.end());

  // No signal may run a handler of ours in the child.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  const pid_t pid = fork();
  if (pid == 0) run_child(plan);
  const int fork_error = errno;
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (pid < 0) throw system_error(fork_error, "starting " + options.program);
  error_write.reset();

  int child_error = 0;
  ssize_t got = 0;
  do {
    got = read(error_read.get(), &child_error, sizeof child_error);
  } while (got < 0 && errno == EINTR);
  if (got == static_cast<ssize_t>(sizeof child_error)) {
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    const Error reason = system_error(child_error, "starting " + options.program);
    throw Error(reason.what(), {}, child_error == ENOENT ? ExitCode::not_found : ExitCode::cannot_start);
  }
  UniqueFd pidfd(pidfd_open(pid));
  if (!pidfd) {
    const int error = errno;
    ::kill(pid, SIGKILL);
    while (waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
    }
    throw system_error(error, "opening a pidfd for " + options.program);
  }
  return ChildProcess(pid, std::move(pidfd));
}

Output run_captured(SpawnOptions options, std::chrono::milliseconds deadline, std::size_t limit) {
  int out_pipe[2];
  int err_pipe[2];
  if (pipe2(out_pipe, O_CLOEXEC) < 0) throw system_error(errno, "making a pipe");
  UniqueFd out_read(out_pipe[0]);
  UniqueFd out_write(out_pipe[1]);
  if (pipe2(err_pipe, O_CLOEXEC) < 0) throw system_error(errno, "making a pipe");
  UniqueFd err_read(err_pipe[0]);
  UniqueFd err_write(err_pipe[1]);
  options.stdout_fd = out_write.get();
  options.stderr_fd = err_write.get();
  ChildProcess child = spawn(options);
  out_write.reset();
  err_write.reset();

  Output output;
  const auto end = std::chrono::steady_clock::now() + deadline;
  pollfd items[2] = {{out_read.get(), POLLIN, 0}, {err_read.get(), POLLIN, 0}};
  std::string* sinks[2] = {&output.out, &output.err};
  while (items[0].fd >= 0 || items[1].fd >= 0) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(end - std::chrono::steady_clock::now()).count();
    const int ready = poll(items, 2, static_cast<int>(std::clamp<std::int64_t>(left, 0, 1 << 30)));
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) {
      output.timed_out = true;
      break;
    }
    for (int i = 0; i < 2; ++i) {
      if (items[i].revents == 0) continue;
      char buffer[16384];
      const ssize_t got = read(items[i].fd, buffer, sizeof buffer);
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) {
        items[i].fd = -1;
        continue;
      }
      sinks[i]->append(buffer, std::min(static_cast<std::size_t>(got), limit - std::min(limit, sinks[i]->size())));
    }
  }
  if (!output.timed_out) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
    if (const auto status = child.wait(std::max(left, std::chrono::milliseconds(0)))) {
      output.status = *status;
      return output;
    }
    output.timed_out = true;
  }
  child.terminate(std::chrono::milliseconds(0));
  output.status = ExitStatus{0, SIGKILL};
  return output;
}

std::optional<std::string> find_program(const std::string& name, const std::string& path) {
  if (name.empty()) return std::nullopt;
  if (name.find('/') != std::string::npos) {
    if (access(name.c_str(), F_OK) == 0) return name;
    return std::nullopt;
  }
  std::string search = path;
  if (search.empty()) {
    const char* variable = getenv("PATH");
    search = variable != nullptr ? variable : "/usr/local/bin:/usr/bin:/bin";
  }
  std::istringstream parts(search);
  for (std::string directory; std::getline(parts, directory, ':');) {
    // A relative entry would make the answer depend on where we stand.
    if (directory.empty() || directory.front() != '/') continue;
    std::string candidate = directory + "/" + name;
    if (access(candidate.c_str(), X_OK) == 0 && !forbidden_place(candidate)) return candidate;
  }
  return std::nullopt;
}

UniqueFd open_pidfd(pid_t pid) noexcept {
  return UniqueFd(pidfd_open(pid));
}

bool signal_pidfd(int pidfd, int number) noexcept {
  return pidfd_send_signal(pidfd, number) == 0;
}

}  // namespace agentvm
