// record.cpp - state.json.
#include "launcher/state/record.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <exception>

#include "base/unix_time.hpp"

namespace agentvm::state {

Record::Record(const VmPaths& paths, const std::string& name, const std::string& uuid) : paths_(paths) {
  state_.name = name;
  state_.uuid = uuid;
  state_.started = timestamp_now();
}

void Record::enter(const std::string& phase) noexcept {
  state_.phase = phase;
  write();
}

void Record::add(const std::string& role, pid_t pid) noexcept {
  const auto known = [&](const ProcessRecord& process) { return process.pid == pid && process.role == role; };
  if (std::any_of(state_.processes.begin(), state_.processes.end(), known)) return;
  state_.processes.push_back({role, pid, process_start_time(pid)});
  write();
}

bool Record::keep() noexcept {
  state_.phase = "stopped";
  state_.processes.clear();
  return write();
}

bool Record::write() noexcept {
  try {
    write_state(paths_, state_);
    return true;
  } catch (const std::exception& error) {
    if (!complained_) spdlog::warn("the VM's record is behind: {}", error.what());
    complained_ = true;
    return false;
  }
}

}  // namespace agentvm::state
