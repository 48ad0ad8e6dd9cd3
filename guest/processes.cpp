// processes.cpp - the processes started for the host.
#include "guest/processes.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <exception>
#include <string>
#include <utility>

#include "base/async/race.hpp"
#include "base/error.hpp"
#include "base/file.hpp"
#include "guest/child.hpp"
#include "guest/pty.hpp"

namespace agentvm::guest {

namespace asio = boost::asio;
using namespace asio::experimental::awaitable_operators;

namespace {

constexpr std::chrono::seconds hangup_grace{1};

/// The session of a process: the sixth field of /proc/PID/stat (proc(5)), counted after the name's closing bracket.
pid_t session_of(const char* pid) noexcept {
  try {
    const auto text = read_file_if_exists(std::string("/proc/") + pid + "/stat", 4096);
    const std::size_t bracket = text ? text->rfind(')') : std::string::npos;
    if (bracket == std::string::npos) return 0;
    std::size_t start = bracket;
    for (int field = 0; field < 4 && start != std::string::npos; ++field) start = text->find(' ', start + 1);
    if (start == std::string::npos) return 0;
    return static_cast<pid_t>(std::atoi(text->c_str() + start + 1));
  } catch (const std::exception&) {
    return 0;
  }
}

/// A shell gives each job a group of its own, so the session is what holds everything together.
void kill_session(pid_t session) noexcept {
  ::kill(-session, SIGKILL);
  DIR* directory = opendir("/proc");
  if (directory == nullptr) return;
  while (const dirent* entry = readdir(directory)) {
    const std::string_view name = entry->d_name;
    pid_t pid = 0;
    if (std::from_chars(name.data(), name.data() + name.size(), pid).ec != std::errc{} || pid <= 1) continue;
    if (session_of(entry->d_name) == session) ::kill(pid, SIGKILL);
  }
  closedir(directory);
}

UniqueFd duplicate(const UniqueFd& fd) {
  UniqueFd copy(fcntl(fd.get(), F_DUPFD_CLOEXEC, 3));
  if (!copy) throw system_error(errno, "duplicating a descriptor");
  return copy;
}

}  // namespace

asio::awaitable<void> Process::wait_exited() {
  while (!exited()) co_await changed.wait();
}

std::string Process::Output::slice(std::uint64_t offset, std::size_t most) const {
  return kept.substr(static_cast<std::size_t>(offset - kept_from), most);
}

void Process::Output::forget(std::uint64_t sent) {
  // In steps, for each one moves what stays.
  constexpr std::size_t step = 64 * 1024;
  if (sent < kept_from + replay_bytes + step) return;
  const std::uint64_t from = sent - replay_bytes;
  kept.erase(0, static_cast<std::size_t>(from - kept_from));
  kept_from = from;
}

void Process::Output::give_up() noexcept {
  given_up = true;
  source.reset();
  kept_from = end();
  std::string().swap(kept);
}

ProcessState Process::state() const noexcept {
  ProcessState state;
  state.ended = exited();
  if (status) state.exit_code = status->shell_code();
  if (status) state.term_signal = status->signal;
  state.stdin_taken = input.taken;
  state.out = out.range();
  state.err = err.range();
  return state;
}

void Process::give_up_waiting() noexcept {
  for (Output* output : {&out, &err}) {
    if (output->waiting()) output->give_up();
  }
  if (end.waiting()) end.given_up = true;
}

void Process::signal(int number) const noexcept {
  if (exited()) return;
  const pid_t foreground = terminal ? foreground_group(terminal.get()) : 0;
  ::kill(foreground != 0 ? -foreground : -pid, number);
}

asio::awaitable<void> Process::kill() {
  if (terminal && !exited()) {
    signal(SIGHUP);
    ::kill(-pid, SIGHUP);
    ::kill(-pid, SIGCONT);
    co_await (wait_exited() || sleep_for(hangup_grace));
  }
  kill_session(pid);
}

asio::awaitable<ProcessPtr> ProcessTable::start(ProcessSpec spec) {
  const auto keep = shared_from_this();
  ++starting_;
  ProcessPtr process;
  std::exception_ptr failure;
  try {
    auto started = start_counted(std::move(spec));
    process = co_await std::move(started);
  } catch (...) {
    failure = std::current_exception();
  }
  --starting_;
  link_changed_.notify();
  if (failure) std::rethrow_exception(failure);
  co_return process;
}

asio::awaitable<ProcessPtr> ProcessTable::start_counted(ProcessSpec spec) {
  if (refusing_) throw Error("the guest is shutting down");
  if (running_.size() >= max_processes || by_id_.size() >= 4 * max_processes) {
    throw Error("the guest runs " + std::to_string(max_processes) + " processes for the host already");
  }
  StartedChild child = start_child(spec);
  const auto process = std::make_shared<Process>(executor_);
  process->id = ++last_id_;
  process->pid = child.pid;
  running_[child.pid] = process;

  Process::Descriptor failure(executor_, child.failure.release());
  co_await failure.async_wait(Process::Descriptor::wait_read, asio::use_awaitable);
  const StartFailure reason = read_failure(failure.native_handle());
  if (reason.step != StartFailure::Step::none) {
    // It is past its last words, so this does not wait; reap() may have been first.
    int status = 0;
    if (!process->exited()) waitpid(child.pid, &status, 0);
    running_.erase(child.pid);
    throw failure_error(spec, reason);
  }

  if (spec.pty) {
    process->terminal = std::move(child.terminal);
    process->input.sink.emplace(executor_, duplicate(process->terminal).release());
    process->out.source.emplace(executor_, duplicate(process->terminal).release());
    process->err.given_up = true;
  } else {
    if (child.input) process->input.sink.emplace(executor_, child.input.release());
    process->out.source.emplace(executor_, child.output.release());
    process->err.source.emplace(executor_, child.errors.release());
  }
  by_id_[process->id] = process;
  retiring_.spawn(retire(process));
  co_return process;
}

asio::awaitable<void> ProcessTable::retire(ProcessPtr process) {
  const auto keep = shared_from_this();
  co_await process->wait_exited();
  for (;;) {
    auto settled = wait_settled(process);
    co_await std::move(settled);
    if (!process->out.sent_on && !process->err.sent_on && !process->end.sent_on) break;
    const auto link = link_;
    if (!link) break;
    auto delivered = link->delivered();
    if (co_await std::move(delivered)) break;
    if (process->settled()) break;  // what was not given up waits for the next link
  }
  by_id_.erase(process->id);
}

/// The host may ask for what a short process said, and for its end, only after it has ended.
asio::awaitable<void> ProcessTable::wait_settled(ProcessPtr process) {
  using Clock = std::chrono::steady_clock;
  Clock::duration left = output_linger;
  while (!process->settled()) {
    // Without a link nobody can ask, so that time does not count.
    const bool counts = process->waiting() && linked();
    if (counts && left <= Clock::duration::zero()) {
      process->give_up_waiting();
      continue;
    }
    const auto since = Clock::now();
    auto changed = process->changed.wait();
    auto relinked = link_changed_.wait();
    auto limit = sleep_for(counts ? std::chrono::ceil<std::chrono::milliseconds>(left) : std::chrono::hours(24));
    auto first = race(std::move(changed), std::move(relinked), std::move(limit));
    co_await std::move(first);
    if (counts) left -= Clock::now() - since;
  }
}

void ProcessTable::set_link(std::shared_ptr<HostLink> link) {
  link_ = std::move(link);
  link_changed_.notify();
}

asio::awaitable<void> ProcessTable::starts_settled() {
  const auto keep = shared_from_this();
  while (starting_ > 0) co_await link_changed_.wait();
}

ProcessPtr ProcessTable::find(std::uint32_t id) const noexcept {
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : found->second;
}

void ProcessTable::reap(bool every_child) noexcept {
  int status = 0;
  if (every_child) {
    for (pid_t pid = 0; (pid = waitpid(-1, &status, WNOHANG)) > 0;) exited(pid, status);
    return;
  }
  const auto running = running_;
  for (const auto& [pid, process] : running) {
    if (waitpid(pid, &status, WNOHANG) == pid) exited(pid, status);
  }
}

void ProcessTable::exited(pid_t pid, int wait_status) noexcept {
  const auto found = running_.find(pid);
  if (found == running_.end()) return;
  const ProcessPtr process = found->second;
  running_.erase(found);
  process->status =
      WIFSIGNALED(wait_status) ? ExitStatus{0, WTERMSIG(wait_status)} : ExitStatus{WEXITSTATUS(wait_status), 0};
  process->changed.notify();
}

void ProcessTable::terminate_all() const noexcept {
  for (const auto& [pid, process] : running_) {
    ::kill(-pid, SIGTERM);
    if (process->terminal) ::kill(-pid, SIGHUP);
  }
}

}  // namespace agentvm::guest
