// share_server.cpp - starts virtiofsd on a socket that listens already, and watches it.
#include "launcher/machine/share_server.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <sstream>
#include <utility>

#include "base/file.hpp"
#include "base/unix_socket.hpp"
#include "launcher/machine/suid_filter.hpp"
#include "launcher/state/vm_directory.hpp"

namespace agentvm::workspace {

namespace {

namespace asio = boost::asio;

constexpr char sandbox_hint[] =
    "virtiofsd must run in its namespace sandbox: user namespaces have to be allowed (sysctl "
    "user.max_user_namespaces, kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_userns).";

/// The last line that says what went wrong, for a message; virtiofsd's own time stamp is cut off. Its warnings are
/// about what it can do without.
std::string last_words(const std::string& log) {
  std::string text;
  try {
    text = read_file_if_exists(log).value_or("");
  } catch (const Error&) {
    return {};  // the log is unreadable or huge: the message goes without it
  }
  std::istringstream lines(text);
  std::string last;
  for (std::string line; std::getline(lines, line);) {
    if (!line.empty() && line.find(" WARN ") == std::string::npos) last = line;
  }
  if (const auto end = last.find("] "); !last.empty() && last.front() == '[' && end != std::string::npos) {
    last.erase(0, end + 2);
  }
  return last.substr(0, 300);
}

/// The children of a process (proc(5): task/TID/children, CONFIG_PROC_CHILDREN).
std::vector<pid_t> children_of(pid_t pid) {
  std::vector<pid_t> children;
  try {
    std::istringstream text(read_file(fmt::format("/proc/{0}/task/{0}/children", pid)));
    for (pid_t child = 0; text >> child;) children.push_back(child);
  } catch (const Error&) {
    // Gone, or a kernel without the file: the worker still dies with its parent (PR_SET_PDEATHSIG of virtiofsd).
  }
  return children;
}

std::string translate(const char* option, const char* kind, std::uint32_t from, std::uint32_t to, std::uint32_t count) {
  return fmt::format("--translate-{}={}:{}:{}:{}", option, kind, from, to, count);
}

constexpr std::uint32_t all_ids = 4294967295U;

/// What changes under a running VM only by an upgrade of the host, which a VM need not see: the guest may keep all of
/// it. Whatever else is shared is the caller's to edit meanwhile.
bool is_fixed(const vmspec::ShareSpec& share) {
  return share.read_only && share.owner == vmspec::ShareOwner::root && !share.tag.starts_with("expose");
}

}  // namespace

std::uint64_t inode_limit() noexcept {
  constexpr rlim_t most = 1'000'000;
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) < 0) return 1024;
  if (limit.rlim_max >= most) return most;
  // Root may have more than it was given.
  const rlimit more{limit.rlim_cur, most};
  return setrlimit(RLIMIT_NOFILE, &more) == 0 ? most : limit.rlim_max;
}

std::vector<std::string> virtiofsd_arguments(const vmspec::ShareSpec& share, const std::string& directory,
                                             const ShareIdentity& identity, int listen_fd) {
  std::vector<std::string> arguments{
      fmt::format("--fd={}", listen_fd),
      "--shared-dir=" + directory,
      "--sandbox=namespace",
      // A submount would look like another device, which overlays and renames stumble over.
      "--no-announce-submounts",
      "--inode-file-handles=never",
      "--log-level=warn",
  };
  if (share.owner == vmspec::ShareOwner::root) {
    // Whoever owns it on the host (nobody, seen from an ordinary user's namespace): in the guest it is the system's.
    arguments.push_back(translate("uid", "squash-host", 0, 0, all_ids));
    arguments.push_back(translate("gid", "squash-host", 0, 0, all_ids));
  } else {
    if (identity.caller_uid != 0 && identity.owner_uid != identity.caller_uid) {
      throw Error(fmt::format("the files of {} would have to belong to uid {}, and only root can do that for uid {}",
                              share.source, identity.owner_uid, identity.caller_uid));
    }
    arguments.push_back(translate("uid", "squash-guest", 0, identity.owner_uid, all_ids));
    arguments.push_back(translate("gid", "squash-guest", 0, identity.owner_gid, all_ids));
    arguments.push_back(translate("uid", "host", identity.owner_uid, identity.agent_uid, 1));
    arguments.push_back(translate("gid", "host", identity.owner_gid, identity.agent_gid, 1));
  }
  if (share.read_only) arguments.emplace_back("--readonly");
  arguments.emplace_back(is_fixed(share) ? "--cache=always" : "--cache=auto");
  // fsetid: without it the kernel takes a set-user-id bit off a file that the guest writes to.
  if (identity.caller_uid == 0) arguments.emplace_back("--modcaps=-mknod:-setfcap:-fsetid");
  return arguments;
}

UniqueFd listen_for_share(const std::string& path) {
  UniqueFd listener = listen_unix(path, 1);
  // virtiofsd waits in accept: on a non-blocking socket it would give up at once.
  set_nonblocking(listener.get(), false);
  return listener;
}

ShareServer::ShareServer(ShareServerOptions options, UniqueFd given) : options_(std::move(options)) {
  if (!options_.directory) throw Error("sharing " + options_.share.source + ": no directory is held open");
  UniqueFd log(open(options_.log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  if (!log) throw system_error(errno, "opening " + options_.log);
  make_directories(options_.mount_place);
  const UniqueFd listener = given ? std::move(given) : listen_for_share(options_.socket);
  std::vector<std::string> arguments =
      virtiofsd_arguments(options_.share, options_.mount_place, options_.identity, listener.get());
  arguments.push_back(fmt::format("--rlimit-nofile={}", inode_limit()));
  const std::string filter = options_.share.read_only ? std::string() : suid_filter();
  auto [ours, theirs] = socket_pair();
  int words[2];
  if (pipe2(words, O_CLOEXEC) < 0) throw system_error(errno, "making a pipe");
  UniqueFd words_read(words[0]);
  const UniqueFd words_write(words[1]);
  try {
    child_ = spawn(
        {.program = options_.virtiofsd,
         .args = std::move(arguments),
         .environment = {{{"PATH", "/usr/sbin:/usr/bin:/sbin:/bin"}, {state::instance_variable, options_.instance}}},
         .directory = "/",
         .stderr_fd = words_write.get(),
         .inherit = {listener.get()},
         .mount_place = options_.mount_place,
         .mounted_fd = options_.directory.fd(),
         .seccomp_filter = filter,
         .seccomp_listener_to = filter.empty() ? -1 : theirs.get()});
    theirs.reset();
    Received listeners = receive_with_fds(ours.get());
    watch_ = std::make_unique<ShareWatch>(std::move(words_read), std::move(log),
                                          listeners.fds.empty() ? UniqueFd() : std::move(listeners.fds.front()));
  } catch (const Error& error) {
    if (!options_.socket.empty()) unlink(options_.socket.c_str());
    rmdir(options_.mount_place.c_str());
    throw Error(error.what(), "Install virtiofsd 1.13 or newer, or set AGENTVM_VIRTIOFSD.", error.code());
  }
}

ShareServer::ShareServer(ShareServer&& other) noexcept
    : options_(std::move(other.options_)), watch_(std::move(other.watch_)), child_(std::move(other.child_)) {
  other.options_.socket.clear();
  other.options_.mount_place.clear();
}

ShareServer& ShareServer::operator=(ShareServer&& other) noexcept {
  if (this == &other) return *this;
  stop(std::chrono::milliseconds(0));
  options_ = std::move(other.options_);
  watch_ = std::move(other.watch_);
  child_ = std::move(other.child_);
  other.options_.socket.clear();
  other.options_.mount_place.clear();
  return *this;
}

ShareServer::~ShareServer() {
  stop(std::chrono::milliseconds(0));
}

std::vector<pid_t> ShareServer::processes() const {
  if (!child_.running()) return {};
  std::vector<pid_t> all = children_of(child_.pid());
  all.insert(all.begin(), child_.pid());
  return all;
}

asio::awaitable<Error> ShareServer::ended() {
  const int own = fcntl(child_.pidfd(), F_DUPFD_CLOEXEC, 0);
  if (own < 0) throw system_error(errno, "watching virtiofsd");
  asio::posix::stream_descriptor watch(co_await asio::this_coro::executor, own);
  co_await watch.async_wait(asio::posix::stream_descriptor::wait_read, asio::as_tuple(asio::use_awaitable));
  watch_.reset();  // all that was said is in the log from here on
  const std::string words = last_words(options_.log);
  std::string message =
      fmt::format("virtiofsd for {} ended{}", options_.share.source, words.empty() ? "" : ": " + words);
  Error reason(std::move(message), sandbox_hint);
  co_return reason;
}

void ShareServer::stop(std::chrono::milliseconds grace) noexcept {
  // The worker is a child of the child: when its parent dies first, it is told by PR_SET_PDEATHSIG and needs no wait.
  std::vector<UniqueFd> workers;
  if (child_.running()) {
    try {
      for (const pid_t pid : children_of(child_.pid())) workers.push_back(open_pidfd(pid));
    } catch (const std::exception&) {
      workers.clear();
    }
  }
  child_.terminate(grace);
  for (const UniqueFd& worker : workers) {
    if (!worker || !signal_pidfd(worker.get(), SIGKILL)) continue;
    pollfd item{worker.get(), POLLIN, 0};
    poll(&item, 1, 1000);
  }
  if (!options_.socket.empty()) unlink(options_.socket.c_str());
  if (!options_.mount_place.empty()) rmdir(options_.mount_place.c_str());
}

}  // namespace agentvm::workspace
