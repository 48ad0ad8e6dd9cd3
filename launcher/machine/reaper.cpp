// reaper.cpp - starts agentvm-reaper and sends it pidfds.
#include "launcher/machine/reaper.hpp"

#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <map>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/unix_socket.hpp"
#include "launcher/state/vm_directory.hpp"

namespace agentvm::machine {

namespace {

/// What `agentvm gc` needs to find the VM's directories, and what marks the reaper as the VM's; the model's key, which
/// our own environment may hold, is neither.
std::map<std::string, std::string> reaper_environment() {
  std::map<std::string, std::string> environment;
  for (const char* name :
       {"PATH", "HOME", "XDG_RUNTIME_DIR", "XDG_STATE_HOME", "XDG_CACHE_HOME", "LANG", state::instance_variable}) {
    if (const char* value = std::getenv(name)) environment.emplace(name, value);
  }
  return environment;
}

}  // namespace

Reaper::Reaper(const std::string& program, const std::string& agentvm, const std::string& vm_name) {
  auto [ours, theirs] = socket_pair();
  socket_ = std::move(ours);
  process_ = spawn({.program = program,
                    .args = {agentvm, vm_name},
                    .environment = reaper_environment(),
                    .stdin_fd = theirs.get(),
                    .stderr_fd = STDERR_FILENO,
                    .new_session = true,
                    .die_with_parent = false});
  watch(getpid());
}

void Reaper::watch(pid_t pid) {
  const UniqueFd pidfd = open_pidfd(pid);
  if (!pidfd) return;
  // The supervisor's own pidfd tells the reaper when its locks are free; it is the first one sent.
  send_with_fds(socket_.get(), pid == getpid() ? "s" : "p", {pidfd.get()});
}

void Reaper::dismiss() noexcept {
  if (!process_.running()) return;
  try {
    write_all(socket_.get(), "q", "dismissing the reaper");
  } catch (const Error&) {
    // It is gone already; there is nothing left to dismiss.
  }
  socket_.reset();
  if (!process_.wait(std::chrono::seconds(2))) process_.terminate(std::chrono::milliseconds(0));
}

}  // namespace agentvm::machine
