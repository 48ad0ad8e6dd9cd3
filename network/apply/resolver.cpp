// resolver.cpp - starts dnsmasq under another user. PR_SET_PDEATHSIG is forgotten when a process changes its user
// (prctl(2)), so dnsmasq is not left to do that itself: it is started as whom it shall be.
#include "network/apply/resolver.hpp"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <vector>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/unix_socket.hpp"

namespace agentvm::network {

namespace {

using namespace std::chrono_literals;

constexpr auto start_limit = 5s;
/// The usual ids of "nobody" and "nogroup".
constexpr uid_t nobody = 65534;

struct Identity {
  uid_t uid;
  gid_t gid;
};

Identity resolver_identity() {
  for (const char* name : {"dnsmasq", "nobody"}) {
    if (const passwd* entry = getpwnam(name)) return {entry->pw_uid, entry->pw_gid};
  }
  return {nobody, nobody};
}

std::vector<std::string> arguments(const std::string& dnsmasq, Ipv4 address) {
  return {dnsmasq,       "--keep-in-foreground", "--conf-file=/dev/null", "--user=",
          "--pid-file=", "--log-facility=-",     "--bind-interfaces",     "--listen-address=" + format(address),
          "--no-hosts",  "--domain-needed",      "--bogus-priv",          "--cache-size=1000"};
}

/// Between fork and exec: system calls only (signal-safety(7)).
bool become(const Identity& identity) noexcept {
  if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0 || syscall(SYS_setgroups, 0, nullptr) < 0) return false;
  if (syscall(SYS_setresgid, identity.gid, identity.gid, identity.gid) < 0) return false;
  if (syscall(SYS_setresuid, identity.uid, identity.uid, identity.uid) < 0) return false;
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  const unsigned bind = 1U << CAP_NET_BIND_SERVICE;
  __user_cap_data_struct data[2] = {{bind, bind, bind}, {0, 0, 0}};
  if (syscall(SYS_capset, &header, data) < 0) return false;
  return prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_BIND_SERVICE, 0, 0) == 0;
}

[[noreturn]] void run_child(char* const* argv, int output, bool root, const Identity& identity, pid_t parent) noexcept {
  setpgid(0, 0);
  if (root && !become(identity)) _exit(126);
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent) _exit(126);
  const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(output, 2) < 0) _exit(126);
  syscall(SYS_close_range, 3U, ~0U, 0);
  for (int number = 1; number < NSIG; ++number) signal(number, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  execv(argv[0], argv);
  _exit(127);
}

/// Whether a process is, or was forked by, a dnsmasq as we start it. A zombie is none.
bool is_resolver(pid_t pid) noexcept {
  try {
    const std::string words = read_file("/proc/" + std::to_string(pid) + "/cmdline", 4096);
    return words.find("dnsmasq") != std::string::npos && words.find("--keep-in-foreground") != std::string::npos &&
           words.find("--conf-file=/dev/null") != std::string::npos &&
           words.find("--listen-address=") != std::string::npos;
  } catch (const std::exception&) {
    return false;
  }
}

}  // namespace

int kill_orphaned_resolvers() noexcept {
  int killed = 0;
  std::error_code error;
  for (std::filesystem::directory_iterator entry("/proc", error), end; !error && entry != end; entry.increment(error)) {
    const pid_t pid = static_cast<pid_t>(std::strtol(entry->path().filename().c_str(), nullptr, 10));
    // Each dnsmasq leads a group of its own, which its children stay in.
    const pid_t leader = pid > 0 ? getpgid(pid) : -1;
    if (leader <= 0 || leader == pid || !is_resolver(pid) || is_resolver(leader)) continue;
    if (kill(pid, SIGKILL) == 0) ++killed;
  }
  return killed;
}

std::optional<std::string> find_resolver(const std::string& dnsmasq) {
  return find_program(dnsmasq, "/usr/sbin:/usr/bin:/sbin:/bin:/run/current-system/sw/bin");
}

Resolver::Resolver(const std::string& dnsmasq, Ipv4 address) {
  const auto program = find_resolver(dnsmasq);
  if (!program) {
    throw Error(dnsmasq + ", which answers the guests' DNS, is not installed",
                "Debian: apt install dnsmasq-base. Or name it with agentvm-netd --dnsmasq.", ExitCode::cannot_start);
  }
  std::vector<std::string> words = arguments(*program, address);
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  const bool root = geteuid() == 0;
  const Identity identity = resolver_identity();
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) < 0) throw system_error(errno, "making a pipe");
  output_.reset(ends[0]);
  UniqueFd theirs(ends[1]);
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid < 0) throw system_error(errno, "starting dnsmasq");
  if (pid == 0) run_child(argv.data(), theirs.get(), root, identity, parent);
  theirs.reset();
  process_ = ChildProcess(pid, open_pidfd(pid));
  set_nonblocking(output_.get(), true);

  std::string said;
  const auto deadline = std::chrono::steady_clock::now() + start_limit;
  while (said.find("started, version") == std::string::npos) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    pollfd item{output_.get(), POLLIN, 0};
    const bool late = left.count() <= 0 || (poll(&item, 1, static_cast<int>(left.count())) <= 0 && errno != EINTR);
    if (!late) said += read_output();
    if (!late && !output_ended_) continue;
    while (!said.empty() && said.back() == '\n') said.pop_back();
    throw Error("dnsmasq did not start on " + format(address) + ": " +
                    (late           ? "it said nothing for 5 s"
                     : said.empty() ? "it ended without a word"
                                    : said),
                "Another program may listen on port 53 of every address: ss -lunp 'sport = 53'.",
                ExitCode::cannot_start);
  }
}

std::string Resolver::read_output() {
  char buffer[4096];
  const ssize_t got = read(output_.get(), buffer, sizeof buffer);
  if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) output_ended_ = true;
  return got > 0 ? std::string(buffer, static_cast<std::size_t>(got)) : "";
}

}  // namespace agentvm::network
