// run.cpp - the agent's start, its end, and its time-out.
#include "launcher/supervisor/run.hpp"

#include <utility>

#include "base/async/within.hpp"
#include "vmspec/plan/devshell.hpp"

namespace agentvm::supervisor {

namespace asio = boost::asio;

namespace {

guest::ProcessSpec process_of(const vmspec::AgentSpec& agent) {
  guest::ProcessSpec process;
  process.argv = agent.hook ? vmspec::entering_devshell(agent.argv) : agent.argv;
  process.env = agent.env;
  process.cwd = agent.cwd;
  process.uid = agent.uid;
  process.gid = agent.gid;
  process.pty = agent.pty;
  process.stdin_null = agent.stdin_null;
  return process;
}

}  // namespace

Run::Run(asio::any_io_executor executor, const vmspec::VmSpec& spec, Clock& clock, UniqueFd log, RunLimits limits)
    : clock_(clock),
      limits_(limits),
      timeout_(spec.agent.timeout_ms > 0 ? std::chrono::milliseconds(spec.agent.timeout_ms)
                                         : std::chrono::milliseconds::max()),
      log_(std::move(log)),
      agent_(executor, process_of(spec.agent), log_ ? log_.get() : -1),
      changed_(executor),
      start_asked_(spec.detached) {}

bool Run::ask_start(unsigned rows, unsigned columns) {
  if (agent_.started()) return false;
  agent_.spec().rows = rows;
  agent_.spec().columns = columns;
  start_asked_ = true;
  changed_.notify();
  return true;
}

asio::awaitable<void> Run::start_asked() {
  while (!start_asked_) co_await changed_.wait();
}

asio::awaitable<void> Run::caller_there() {
  auto asked = within(clock_, limits_.caller, "the caller to attach", start_asked());
  co_await std::move(asked);
}

asio::awaitable<void> Run::start(machine::Machine& machine) {
  auto starting = agent_.start(machine.control());
  auto started = within(clock_, limits_.start, "the guest to start the agent", std::move(starting));
  co_await std::move(started);
}

asio::awaitable<Run::End> Run::ended(machine::Machine& machine) {
  auto delivered = ended_within(clock_, timeout_, agent_.delivered());
  const bool in_time = co_await std::move(delivered);
  // An agent that has ended by itself is not timed out because somebody does not read what it said.
  const bool timed_out = !in_time && !agent_.exit_code();
  if (timed_out) {
    auto terminated = agent_.terminate(clock_, limits_.terminate, limits_.kill);
    co_await std::move(terminated);
    auto told = ended_within(clock_, limits_.deliver, agent_.delivered());
    co_await std::move(told);
    co_return End{static_cast<int>(ExitCode::timeout), true};
  }
  if (!agent_.exit_code()) {
    // It ended with its link, not by itself: the machine finds out what happened.
    auto over = machine.ended();
    co_await std::move(over);
    throw Error(machine.ending()->failure);
  }
  co_return End{*agent_.exit_code(), false};
}

asio::awaitable<void> Run::join() {
  agent_.abandon();
  auto joined = agent_.join();
  co_await std::move(joined);
}

}  // namespace agentvm::supervisor
