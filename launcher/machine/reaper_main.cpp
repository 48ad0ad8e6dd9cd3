// reaper_main.cpp - agentvm-reaper AGENTVM VM: waits for the supervisor's socket (stdin) to close, then ends its VM.
//
// Kept as small as can be: it holds pidfds, never pids, so it cannot hit a stranger; it ignores every polite signal; it
// does its work without allocating more than the list. The final `agentvm gc --vm` catches what was started in the
// instant before the kill, by the VM's uuid.
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <vector>

#include "base/error.hpp"
#include "base/process.hpp"
#include "base/unix_socket.hpp"

namespace {

using agentvm::UniqueFd;

void wait_for_end(int pidfd, std::chrono::milliseconds limit) {
  pollfd item{pidfd, POLLIN, 0};
  poll(&item, 1, static_cast<int>(limit.count()));
}

/// Collects pidfds until the socket closes; true when the supervisor said goodbye.
bool collect(std::vector<UniqueFd>& processes, UniqueFd& supervisor) {
  for (;;) {
    agentvm::Received received = agentvm::receive_with_fds(STDIN_FILENO, 1);
    if (received.bytes.empty()) return false;
    if (received.bytes == "q") return true;
    for (UniqueFd& fd : received.fds) {
      if (received.bytes == "s") {
        supervisor = std::move(fd);
      } else {
        processes.push_back(std::move(fd));
      }
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fputs("agentvm-reaper is started by agentvm-supervisor\n", stderr);
    return 2;
  }
  for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGPIPE}) signal(number, SIG_IGN);
  std::vector<UniqueFd> processes;
  UniqueFd supervisor;
  try {
    if (collect(processes, supervisor)) return 0;
  } catch (const agentvm::Error& error) {
    std::fprintf(stderr, "agentvm-reaper: %s\n", error.what());
  }
  for (const UniqueFd& process : processes) agentvm::signal_pidfd(process.get(), SIGKILL);
  for (const UniqueFd& process : processes) wait_for_end(process.get(), std::chrono::seconds(2));
  if (supervisor) wait_for_end(supervisor.get(), std::chrono::seconds(5));
  for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGPIPE}) signal(number, SIG_DFL);
  execl(argv[1], argv[1], "gc", "--vm", argv[2], "--quiet", static_cast<char*>(nullptr));
  std::perror("agentvm-reaper: starting agentvm gc");
  return 1;
}
