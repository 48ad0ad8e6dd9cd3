// main.cpp - agentvm-netd: the only privileged program, which makes and filters the guests' network.
#include <fcntl.h>
#include <signal.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdio>
#include <cstdlib>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/unix_socket.hpp"
#include "network/netd/privileges.hpp"
#include "network/netd/server.hpp"

namespace {

using namespace agentvm;
using namespace agentvm::network;

/// sd_listen_fds(3): the first descriptor that systemd passes.
constexpr int activation_fd = 3;

struct Options {
  std::string directory = "/run/agentvm-netd";
  std::string subnet = format(default_subnet);
  NetworkOptions network;
  std::size_t leases_per_user = 64;
  bool check = false;
  bool clean = false;
  int caller_fd = -1;
};

/// The socket of our unit, by sd_listen_fds(3)'s rules; invalid: we were not started by one.
UniqueFd activation_socket() {
  const char* pid = std::getenv("LISTEN_PID");
  const char* count = std::getenv("LISTEN_FDS");
  if (pid == nullptr || count == nullptr || pid != std::to_string(getpid())) return UniqueFd();
  if (std::string(count) != "1") throw Error("systemd passed " + std::string(count) + " sockets; one was expected");
  unsetenv("LISTEN_PID");
  unsetenv("LISTEN_FDS");
  set_cloexec(activation_fd, true);
  set_nonblocking(activation_fd, true);
  return UniqueFd(activation_fd);
}

/// A socket in the directory, for the group when there is one. Takes away its name when that is still its own.
class OwnSocket {
 public:
  OwnSocket(std::string path, std::optional<gid_t> group) : path_(std::move(path)) {
    if (listened_on()) {
      throw Error("another process is already listening on " + path_,
                  "Stop it first: systemctl stop agentvm-netd.socket agentvm-netd.service.", ExitCode::cannot_start);
    }
    if (unlink(path_.c_str()) < 0 && errno != ENOENT) throw system_error(errno, "replacing the socket " + path_);
    socket = listen_unix(path_, 128);
    if (stat(path_.c_str(), &made_) < 0) throw system_error(errno, "making the socket " + path_);
    if (group && (chown(path_.c_str(), 0, *group) < 0 || chmod(path_.c_str(), 0660) < 0)) {
      throw system_error(errno, "giving " + path_ + " to the group " + group_name);
    }
  }
  ~OwnSocket() {
    struct stat now {};
    if (stat(path_.c_str(), &now) == 0 && now.st_dev == made_.st_dev && now.st_ino == made_.st_ino) {
      unlink(path_.c_str());
    }
  }
  OwnSocket(const OwnSocket&) = delete;
  OwnSocket& operator=(const OwnSocket&) = delete;

  UniqueFd socket;

 private:
  bool listened_on() const {
    try {
      return static_cast<bool>(connect_unix(path_));
    } catch (const Error&) {
      return false;
    }
  }

  std::string path_;
  struct stat made_ {};
};

/// One netd at a time. A predecessor that is about to end is waited for.
FileLock only_one(const std::string& directory, bool wait) {
  make_directories(directory, 0755);
  const std::string path = directory + "/lock";
  UniqueFd file(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!file) throw system_error(errno, "opening " + path);
  alarm(wait ? 5 : 0);  // ends us: there is nothing to undo yet
  if (flock(file.get(), LOCK_EX | (wait ? 0 : LOCK_NB)) < 0) {
    throw Error("another agentvm-netd is running (" + path + " is locked)",
                "Stop it first: systemctl stop agentvm-netd.socket agentvm-netd.service.", ExitCode::cannot_start);
  }
  alarm(0);
  return FileLock::adopt(std::move(file));
}

void recover(HostNetwork& network) {
  for (const std::string& sentence : network.recover()) spdlog::info("{}", sentence);
}

void serve(const Options& options, HostNetwork& network) {
  ServerOptions server{.listener = activation_socket(),
                       .group = lease_group(),
                       .leases_per_user = options.leases_per_user,
                       .until_idle = options.caller_fd >= 0};
  // Who was started because somebody waits, waits too.
  const FileLock lock = only_one(options.directory, options.caller_fd >= 0 || server.listener);
  std::optional<OwnSocket> own;
  if (!server.listener) {
    own.emplace(options.directory + "/netd.sock", options.caller_fd >= 0 ? std::nullopt : server.group);
    server.listener = std::move(own->socket);
  }
  if (options.caller_fd >= 0) {
    set_cloexec(options.caller_fd, true);
    server.first_caller = UniqueFd(options.caller_fd);
    server.group.reset();  // started by root for root
  }
  sigset_t ending;
  sigemptyset(&ending);
  sigaddset(&ending, SIGTERM);
  sigaddset(&ending, SIGINT);
  if (sigprocmask(SIG_BLOCK, &ending, nullptr) < 0) throw system_error(errno, "blocking signals");
  keep_network_privileges();
  recover(network);
  Server(std::move(server), network).serve();
  for (const std::string& sentence : network.close()) spdlog::warn("{}", sentence);
}

/// false: --check found something that stands against a network here.
bool run(const Options& options) {
  HostNetwork network(options.network);
  if (options.check) {
    for (const std::string& line : network.explain()) std::printf("%s\n", line.c_str());
    const std::vector<std::string> obstacles = network.obstacles();
    for (const std::string& line : obstacles) std::printf("%s\n", line.c_str());
    return obstacles.empty();
  } else if (options.clean) {
    const FileLock lock = only_one(options.directory, false);
    keep_network_privileges();
    recover(network);
  } else {
    serve(options, network);
  }
  return true;
}

void read_arguments(int argc, char** argv, Options& options, CLI::App& app) {
  app.add_option("--directory", options.directory, "where the socket and the lock are");
  app.add_option("--bridge", options.network.bridge, "the bridge's name")->capture_default_str();
  app.add_option("--subnet", options.subnet, "the guests' network")->capture_default_str();
  app.add_option("--dnsmasq", options.network.dnsmasq, "the program that answers the guests' DNS");
  app.add_option("--leases-per-user", options.leases_per_user, "most leases of one user; root has no limit")
      ->capture_default_str();
  app.add_flag("--check", options.check, "say what would be done here and what stands against it, change nothing");
  app.add_flag("--clean", options.clean, "take away what a killed agentvm-netd left, and end");
  app.add_option("--caller-fd", options.caller_fd, "serve this connection first, and end with the last one");
  app.set_version_flag("--version", std::string("agentvm-netd " AGENTVM_VERSION));
  app.parse(argc, argv);
  const auto subnet = parse_prefix(options.subnet);
  if (!subnet) throw Error("--subnet " + options.subnet + " is not a network, as 192.168.83.0/24", {}, ExitCode::usage);
  options.network.subnet = *subnet;
}

}  // namespace

int main(int argc, char** argv) {
  signal(SIGPIPE, SIG_IGN);
  spdlog::set_default_logger(spdlog::stderr_logger_st("netd"));
  spdlog::set_pattern("agentvm-netd: %v");
  Options options;
  CLI::App app("agentvm-netd makes and filters the network of agentvm's guests.", "agentvm-netd");
  try {
    read_arguments(argc, argv, options, app);
    return run(options) ? 0 : 1;
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : static_cast<int>(ExitCode::usage);
  } catch (const Error& error) {
    spdlog::critical("{}", error.what());
    if (!error.hint().empty()) spdlog::critical("{}", error.hint());
    return static_cast<int>(error.code());
  } catch (const std::exception& error) {
    spdlog::critical("{}", error.what());
    return static_cast<int>(ExitCode::agentvm_failed);
  }
}
