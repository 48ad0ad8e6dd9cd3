// supervisor.cpp - a life in order: coming up, the agent's run, going down.
#include "launcher/supervisor/supervisor.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/async/main_task.hpp"
#include "base/async/race.hpp"
#include "launcher/machine/host_parts.hpp"
#include "launcher/machine/reaper.hpp"
#include "launcher/supervisor/console_tail.hpp"

namespace agentvm::supervisor {

namespace asio = boost::asio;

namespace {

/// The workspace as it was checked; none in a plan without one.
HeldDirectory workspace_directory(const SupervisorOptions& options) {
  for (std::size_t share = 0; share < options.spec.shares.size(); ++share) {
    if (options.spec.shares[share].tag == vmspec::workspace_tag) return options.directories.at(share);
  }
  return {};
}

}  // namespace

int supervise(SupervisorOptions options) {
  asio::io_context io(1);
  SteadyClock clock;
  state::Record record(options.paths, options.spec.name, options.spec.uuid);
  record.add("supervisor", getpid());
  machine::Reaper reaper(options.reaper, options.agentvm, options.spec.name);
  machine::HostParts own(io.get_executor(), options.spec, options.paths, options.directories, options.roots.cache,
                         [&](const std::string& role, pid_t pid) {
                           reaper.watch(pid);
                           record.add(role, pid);
                         });
  std::optional<pool::ClaimedParts> claimed;
  if (options.claimed) claimed.emplace(io.get_executor(), options.spec, own, std::move(*options.claimed));
  machine::Parts& parts = claimed ? static_cast<machine::Parts&>(*claimed) : own;
  Supervisor supervisor(io.get_executor(), options, record, parts, clock, reaper.pidfd());
  const int code = run_to_end(io, supervisor.live());
  // While a caller was slow to take its report, libvirt's own threads may have made a directory of theirs anew.
  const std::string left = remove_tree(options.paths.runtime_dir);
  if (!left.empty()) spdlog::error("removing {}: {}", options.paths.runtime_dir, left);
  reaper.dismiss();
  return code;
}

Supervisor::Supervisor(asio::any_io_executor executor, SupervisorOptions& options, state::Record& record,
                       machine::Parts& parts, Clock& clock, int guard_fd)
    : executor_(std::move(executor)),
      options_(options),
      spec_(options.spec),
      paths_(options.paths),
      record_(record),
      parts_(parts),
      clock_(clock),
      guard_fd_(guard_fd),
      changed_(executor_),
      events_(executor_, paths_.journal("events")),
      gateways_(executor_, spec_, paths_, events_),
      listing_(executor_, workspace_directory(options), paths_.state_dir + "/before"),
      run_(executor_, spec_, clock_,
           UniqueFd(open(paths_.log("agent").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600))),
      machine_(executor_, spec_, parts_, clock_,
               [this](const std::string& name, const std::string& text) { step(name, text); }),
      api_(executor_, paths_.supervisor_socket(), [this](link::StreamPtr stream) { return answer(std::move(stream)); }),
      tasks_(executor_, [this](const std::exception_ptr& failure) {
        try {
          std::rethrow_exception(failure);
        } catch (const std::exception& error) {
          end({"failed", Error(error.what()), {}});
        }
      }) {}

asio::awaitable<int> Supervisor::live() {
  begin();
  // Whatever the work waits for when the end is asked for is cancelled, and has come to its end when this returns.
  auto working = work();
  auto asked = end_asked();
  auto first = race(std::move(working), std::move(asked));
  co_await std::move(first);
  co_await go_down();
  co_return stop_->failure ? static_cast<int>(stop_->failure->code()) : 0;
}

void Supervisor::begin() {
  record_.enter("starting");
  api_.run();
  tasks_.spawn(watch_signals());
  if (guard_fd_ >= 0) tasks_.spawn(watch_guard());
  if (!options_.owner) return;
  // A caller that dies before it has asked for /own leaves only this trace.
  api_.adopt(std::move(options_.owner), [this] {
    if (!owned_ && !gone_ && !spec_.detached) end({"its caller went away", {}, {}});
  });
}

asio::awaitable<void> Supervisor::work() {
  std::optional<Error> failure;
  try {
    auto up = come_up();
    co_await std::move(up);
    auto run = run_agent();
    co_await std::move(run);
  } catch (const Error& error) {
    failure = error;
  } catch (const std::exception& error) {
    failure = Error(error.what());  // or the cancellation, after which nothing here counts
  }
  if (!failure) co_return;
  if (const auto& ending = machine_.ending()) end({ending->words, ending->failure, {}});
  end({"failed", failure, {}});
}

asio::awaitable<void> Supervisor::come_up() {
  record_.enter("booting");
  publish_ports();
  gateways_.offer(machine_);
  tasks_.spawn(start_mcp_servers());
  tasks_.spawn(listing_.take());
  tasks_.spawn(watch_machine());
  co_await machine_.boot();
  if (machine_.lease() != nullptr) {
    const network::LeaseInfo& info = machine_.lease()->info();
    events_.add("network", {{"tap", info.lease.tap},
                            {"bridge", info.bridge},
                            {"mac", format(info.lease.mac)},
                            {"address", fmt::format("{}/{}", format(info.lease.address), info.prefix)},
                            {"gateway", format(info.gateway)}});
  }
  auto set_up = machine_.set_up(guest_setup());
  co_await std::move(set_up);
  ready_ = true;
  ready_ms_ = since_start();
  record_.enter("ready");
  events_.add("ready", {{"boot_ms", ready_ms_}, {"guest", guest::to_json(machine_.ready_report())}});
}

asio::awaitable<void> Supervisor::run_agent() {
  co_await run_.caller_there();
  co_await listing_.taken();
  auto started = run_.start(machine_);
  co_await std::move(started);
  agent_started_ms_ = since_start();
  record_.enter("running");
  events_.add("agent-started", {{"argv", spec_.agent.argv}, {"started_ms", agent_started_ms_}});
  auto ended = run_.ended(machine_);
  const Run::End agent = co_await std::move(ended);
  exit_code_ = agent.exit_code;
  record_.set_exit_code(exit_code_);
  events_.add("agent-ended", {{"exit_code", exit_code_}, {"timed_out", agent.timed_out}});
  record_.enter("ended");
  if (spec_.keep) {
    while (!stopping()) co_await changed_.wait();
  }
  end({agent.timed_out ? "timeout" : "agent ended", {}, exit_code_});
}

void Supervisor::end(Stop stop) {
  if (stopping()) return;
  stop_ = std::move(stop);
  if (stop_->failure) {
    const Error& failure = *stop_->failure;
    stop_->exit_code = static_cast<int>(failure.code());
    spdlog::error("{}", failure.what());
    events_.add("failed", {{"message", failure.what()},
                           {"hint", failure.hint()},
                           {"exit_code", *stop_->exit_code},
                           {"guest_crashed", machine_.vm_end() == hypervisor::End::crashed},
                           {"console", console_tail(paths_.log("console"))}});
  }
  changed_.notify();
}

asio::awaitable<void> Supervisor::end_asked() {
  while (!stopping()) co_await changed_.wait();
}

}  // namespace agentvm::supervisor
