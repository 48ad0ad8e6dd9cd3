// child.cpp - fork and exec; what runs in between is async-signal-safe only (signal-safety(7)).
#include "guest/child.hpp"

#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.hpp"
#include "base/unix_socket.hpp"
#include "guest/accounts.hpp"
#include "guest/pty.hpp"

namespace agentvm::guest {

namespace {

/// What docker gives a container whose image says nothing.
constexpr std::string_view default_path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
constexpr rlim_t soft_descriptors = 1024;

std::vector<char*> pointers(std::vector<std::string>& strings) {
  std::vector<char*> result;
  result.reserve(strings.size() + 1);
  for (auto& string : strings) result.push_back(string.data());
  result.push_back(nullptr);
  return result;
}

/// The paths to try, in order. The child tries them as its own user, who may see less than we do.
std::vector<std::string> candidates(const ProcessSpec& spec) {
  const std::string& name = spec.argv.front();
  if (name.find('/') != std::string::npos) return {name};
  const auto variable = spec.env.find("PATH");
  std::string_view path = variable == spec.env.end() ? default_path : std::string_view(variable->second);
  std::vector<std::string> result;
  while (true) {
    const std::size_t colon = path.find(':');
    const std::string_view directory = path.substr(0, colon);
    // An empty entry means the current directory (environ(7)).
    result.push_back((directory.empty() ? std::string(".") : std::string(directory)) + "/" + name);
    if (colon == std::string_view::npos) return result;
    path.remove_prefix(colon + 1);
  }
}

struct Pipe {
  UniqueFd read, write;
};

Pipe make_pipe() {
  int fds[2];
  if (pipe2(fds, O_CLOEXEC) < 0) throw system_error(errno, "making a pipe");
  return {UniqueFd(fds[0]), UniqueFd(fds[1])};
}

/// Everything the child needs, made before fork so that it allocates nothing.
struct ChildPlan {
  std::vector<char*> programs;
  std::vector<char*> argv;
  std::vector<char*> envp;
  const char* directory = nullptr;
  std::array<int, 3> stdio{};
  bool terminal = false;
  bool change_identity = false;
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups;
  rlimit descriptors{};
  int failure_fd = -1;
};

[[noreturn]] void fail_child(int failure_fd, StartFailure::Step step, int error) noexcept {
  const StartFailure failure{step, error};
  [[maybe_unused]] const ssize_t written = write(failure_fd, &failure, sizeof failure);
  _exit(127);
}

[[noreturn]] void exec_first(const ChildPlan& plan) noexcept {
  int error = ENOENT;
  for (char* const* program = plan.programs.data(); *program != nullptr; ++program) {
    execve(*program, plan.argv.data(), plan.envp.data());
    // As execvp(3): a program that may not be run is remembered, and the search goes on.
    if (errno == ENOENT || errno == ENOTDIR) continue;
    error = errno;
    if (error != EACCES) break;
  }
  fail_child(plan.failure_fd, StartFailure::Step::exec, error);
}

[[noreturn]] void run_child(const ChildPlan& plan) noexcept {
  using Step = StartFailure::Step;
  if (setsid() < 0) fail_child(plan.failure_fd, Step::session, errno);
  for (int i = 0; i < 3; ++i) {
    if (dup2(plan.stdio[static_cast<std::size_t>(i)], i) < 0) fail_child(plan.failure_fd, Step::streams, errno);
  }
  if (plan.terminal && ioctl(0, TIOCSCTTY, 0) < 0) fail_child(plan.failure_fd, Step::terminal, errno);
  // Marked, not closed: the failure pipe must live until exec.
  if (syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC) < 0) fail_child(plan.failure_fd, Step::streams, errno);
  for (int number = 1; number < NSIG; ++number) signal(number, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  umask(022);
  setrlimit(RLIMIT_NOFILE, &plan.descriptors);
  if (plan.change_identity) {
    // The raw calls: glibc's wrappers talk to other threads, of which a forked child has none.
    if (syscall(SYS_setgroups, plan.groups.size(), plan.groups.data()) < 0 ||
        syscall(SYS_setresgid, plan.gid, plan.gid, plan.gid) < 0 ||
        syscall(SYS_setresuid, plan.uid, plan.uid, plan.uid) < 0) {
      fail_child(plan.failure_fd, Step::identity, errno);
    }
  }
  if (chdir(plan.directory) < 0) fail_child(plan.failure_fd, Step::directory, errno);
  exec_first(plan);
}

}  // namespace

StartedChild start_child(const ProcessSpec& spec) {
  StartedChild child;
  Pty pty;
  Pipe in, out, err;
  UniqueFd null;
  Pipe failure = make_pipe();
  ChildPlan plan;
  if (spec.pty) {
    pty = open_pty(spec.rows, spec.columns, spec.uid);
    plan.stdio = {pty.slave.get(), pty.slave.get(), pty.slave.get()};
  } else {
    out = make_pipe();
    err = make_pipe();
    if (spec.stdin_null) {
      null.reset(open("/dev/null", O_RDONLY | O_CLOEXEC));
      if (!null) throw system_error(errno, "opening /dev/null");
    } else {
      in = make_pipe();
    }
    plan.stdio = {spec.stdin_null ? null.get() : in.read.get(), out.write.get(), err.write.get()};
  }

  std::vector<std::string> programs = candidates(spec);
  std::vector<std::string> arguments = spec.argv;
  std::vector<std::string> environment;
  environment.reserve(spec.env.size());
  for (const auto& [name, value] : spec.env) environment.push_back(name + "=" + value);
  plan.programs = pointers(programs);
  plan.argv = pointers(arguments);
  plan.envp = pointers(environment);
  plan.directory = spec.cwd.c_str();
  plan.terminal = spec.pty;
  plan.change_identity = spec.uid != geteuid() || spec.gid != getegid();
  plan.uid = spec.uid;
  plan.gid = spec.gid;
  if (plan.change_identity) {
    plan.groups = groups_of(read_file_if_exists("/etc/passwd").value_or(""),
                            read_file_if_exists("/etc/group").value_or(""), spec.uid, spec.gid);
  }
  if (getrlimit(RLIMIT_NOFILE, &plan.descriptors) == 0) {
    plan.descriptors.rlim_cur = std::min(soft_descriptors, plan.descriptors.rlim_max);
  }
  plan.failure_fd = failure.write.get();

  // No signal may run a handler of ours in the child.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  child.pid = fork();
  if (child.pid == 0) run_child(plan);
  const int fork_error = errno;
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (child.pid < 0) {
    throw Error(system_error(fork_error, "starting " + spec.argv.front()).what(), {}, ExitCode::cannot_start);
  }
  child.failure = std::move(failure.read);
  child.input = std::move(in.write);
  child.output = std::move(out.read);
  child.errors = std::move(err.read);
  child.terminal = std::move(pty.master);
  for (const UniqueFd* fd : {&child.failure, &child.input, &child.output, &child.errors}) {
    if (fd->valid()) set_nonblocking(fd->get(), true);
  }
  return child;
}

StartFailure read_failure(int failure_fd) noexcept {
  StartFailure failure;
  ssize_t got = 0;
  do {
    got = read(failure_fd, &failure, sizeof failure);
  } while (got < 0 && errno == EINTR);
  return got == static_cast<ssize_t>(sizeof failure) ? failure : StartFailure{};
}

Error failure_error(const ProcessSpec& spec, const StartFailure& failure) {
  using Step = StartFailure::Step;
  const std::string& program = spec.argv.front();
  const bool has_slash = program.find('/') != std::string::npos;
  switch (failure.step) {
    case Step::directory:
      return Error(system_error(failure.error, "entering the working directory " + spec.cwd).what(), {},
                   ExitCode::cannot_start);
    case Step::identity:
      return Error(system_error(failure.error, "becoming user " + std::to_string(spec.uid)).what(), {},
                   ExitCode::cannot_start);
    case Step::exec:
      if (failure.error == ENOENT && !has_slash) {
        return Error(program + ": no such program on PATH", {}, ExitCode::not_found);
      }
      if (failure.error == ENOENT && program.front() == '/' && access(program.c_str(), F_OK) == 0) {
        return Error(program + ": its interpreter does not exist", {}, ExitCode::not_found);
      }
      return Error(system_error(failure.error, program).what(), {},
                   failure.error == ENOENT || failure.error == ENOTDIR ? ExitCode::not_found : ExitCode::cannot_start);
    case Step::none:
    case Step::session:
    case Step::streams:
    case Step::terminal:
      break;
  }
  return Error(system_error(failure.error, "preparing " + program).what(), {}, ExitCode::cannot_start);
}

}  // namespace agentvm::guest
