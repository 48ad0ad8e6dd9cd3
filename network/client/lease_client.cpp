// lease_client.cpp - asks netd, and as root starts one when there is none.
#include "network/client/lease_client.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <thread>

#include "base/file.hpp"
#include "base/process.hpp"
#include "base/unix_socket.hpp"

namespace agentvm::network {

namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr auto answer_limit = 20s;
/// How often waiting looks whether it is to end.
constexpr auto glance = 100ms;
/// A netd that is just ending closes a connection without an answer; then it is asked again.
constexpr int attempts = 3;

Error no_netd(const NetdAccess& access) {
  // It lies outside PATH, and gives its socket to the group that is there when it starts.
  return Error(
      "agentvm-netd is not running, and only root can make a network without it",
      fmt::format("Join the group {0} (sudo groupadd -rf {0}; sudo usermod -aG {0} $USER; then log in again) and "
                  "start it: sudo {1}, or sudo systemctl enable --now agentvm-netd.socket where its unit is "
                  "installed. Or run with --egress none: the model and the MCP servers need no network.",
                  group_name, access.program.empty() ? "agentvm-netd" : access.program),
      ExitCode::cannot_start);
}

Error not_allowed(const std::string& socket) {
  return Error(fmt::format("you may not use agentvm-netd: {} is for root and the group {}", socket, group_name),
               fmt::format("Become a member (sudo usermod -aG {} $USER) and log in again, or run with --egress none.",
                           group_name),
               ExitCode::cannot_start);
}

/// A connection; invalid when nobody listens. Throws when we may not connect.
UniqueFd connect_to_netd(const NetdAccess& access) {
  const std::string socket = access.socket();
  try {
    return connect_unix(socket);
  } catch (const Error&) {
    if (::access(socket.c_str(), W_OK) < 0 && errno == EACCES) throw not_allowed(socket);
    return UniqueFd();
  }
}

void go_on(const std::stop_token& stop) {
  if (stop.stop_requested()) throw Error("agentvm-netd was not waited for: the VM ends");
}

/// One starter at a time: whoever comes second finds the first one's netd listening.
FileLock lock_start(const std::string& directory, const std::stop_token& stop) {
  make_directories(directory, 0755);
  const std::string path = directory + "/start.lock";
  UniqueFd file(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!file) throw system_error(errno, "opening " + path);
  const auto deadline = Clock::now() + answer_limit;
  while (flock(file.get(), LOCK_EX | LOCK_NB) < 0) {
    if (errno != EWOULDBLOCK && errno != EINTR) throw system_error(errno, "locking " + path);
    go_on(stop);
    if (Clock::now() >= deadline) {
      throw Error(
          fmt::format("another process starts agentvm-netd since {} s ({} is locked)", answer_limit.count(), path));
    }
    std::this_thread::sleep_for(glance);
  }
  return FileLock::adopt(std::move(file));
}

/// Sends a request and reads its answer, without the newline; "" when netd ended instead.
std::string ask(const UniqueFd& connection, const Request& request, const std::stop_token& stop) {
  const std::string line = to_line(request);
  // A netd that ends right now shows as the end of its answer.
  [[maybe_unused]] const ssize_t sent = send(connection.get(), line.data(), line.size(), MSG_NOSIGNAL);
  const auto deadline = Clock::now() + answer_limit;
  std::string answer;
  while (answer.size() < longest_answer) {
    go_on(stop);
    pollfd item{connection.get(), POLLIN, 0};
    const int ready = poll(&item, 1, static_cast<int>(std::chrono::milliseconds(glance).count()));
    if ((ready < 0 && errno == EINTR) || (ready == 0 && Clock::now() < deadline)) continue;
    if (ready <= 0) throw Error(fmt::format("agentvm-netd has not answered for {} s", answer_limit.count()));
    char buffer[16384];
    const ssize_t got = recv(connection.get(), buffer, sizeof buffer, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return "";
    answer.append(buffer, static_cast<std::size_t>(got));
    if (answer.back() == '\n') {
      answer.pop_back();
      return answer;
    }
  }
  throw Error("agentvm-netd's answer has no end");
}

/// Starts a netd that serves us, listens for others of root, and ends with its last caller.
UniqueFd start_netd(const NetdAccess& access) {
  auto [ours, theirs] = socket_pair();
  ChildProcess child = spawn({.program = access.program,
                              .args = {"--directory", access.directory, "--caller-fd", std::to_string(theirs.get())},
                              .directory = "/",
                              .stderr_fd = STDERR_FILENO,
                              .inherit = {theirs.get()},
                              .new_session = true,
                              .die_with_parent = false});
  child.release();
  return std::move(ours);
}

struct Asked {
  UniqueFd connection;
  std::string answer;
};

Asked ask_netd(const NetdAccess& access, const Request& request, const std::stop_token& stop = {}) {
  const bool may_start = geteuid() == 0 && !access.program.empty() && request.kind == Request::Kind::acquire;
  for (int attempt = 0; attempt < attempts; ++attempt) {
    UniqueFd connection = connect_to_netd(access);
    std::optional<FileLock> starting;
    if (!connection && may_start) {
      starting.emplace(lock_start(access.directory, stop));
      connection = connect_to_netd(access);
      if (!connection) connection = start_netd(access);
    }
    if (!connection) throw no_netd(access);
    std::string answer = ask(connection, request, stop);
    if (!answer.empty()) return {std::move(connection), std::move(answer)};
  }
  throw Error("agentvm-netd closes the connection without an answer", "Its log tells why: journalctl -u agentvm-netd.");
}

}  // namespace

NetdAccess netd_access(std::string program) {
  NetdAccess access{.program = std::move(program)};
  if (const char* directory = std::getenv("AGENTVM_NETD_DIR")) access.directory = directory;
  return access;
}

HeldLease take_lease(const NetdAccess& access, const std::string& vm, bool multi_queue, const std::stop_token& stop) {
  Asked asked = ask_netd(access, {Request::Kind::acquire, vm, multi_queue}, stop);
  return {lease_from_line(asked.answer), std::move(asked.connection)};
}

NetworkInfo network_info(const NetdAccess& access) {
  if (geteuid() == 0 && !connect_to_netd(access)) return {};
  return network_from_line(ask_netd(access, {}).answer);
}

bool netd_listens(const NetdAccess& access) {
  try {
    return connect_to_netd(access).get() >= 0;
  } catch (const Error&) {
    return false;
  }
}

std::optional<Error> lease_obstacle(const NetdAccess& access) {
  try {
    if (connect_to_netd(access)) {
      network_info(access);
      return std::nullopt;
    }
  } catch (const Error& error) {
    return error;
  }
  if (geteuid() != 0) return no_netd(access);
  if (access.program.empty()) return Error("agentvm-netd is not installed beside agentvm");
  return std::nullopt;
}

void clean_after_netd(const NetdAccess& access) {
  // Without the directory none has ever run here.
  if (geteuid() != 0 || access.program.empty() || ::access(access.directory.c_str(), F_OK) < 0) return;
  if (connect_to_netd(access)) return;
  run_captured({.program = access.program, .args = {"--directory", access.directory, "--clean"}}, answer_limit);
}

}  // namespace agentvm::network
