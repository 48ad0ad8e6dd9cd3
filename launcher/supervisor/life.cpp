// life.cpp - the life of a VM, step by step, and its end.
#include "launcher/supervisor/life.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <nlohmann/json.hpp>

#include "launcher/hypervisor/cloud_hypervisor.hpp"
#include "launcher/hypervisor/libvirt_qemu.hpp"
#include "vmspec/plan/devshell.hpp"

namespace agentvm::supervisor {

namespace asio = boost::asio;
using namespace std::chrono_literals;

namespace {

/// The guest's own start, kernel to links. Emulation on a busy machine took up to 20 s here; twice that is a hang.
constexpr auto boot_limit = 60s;
constexpr auto setup_limit = 30s;
constexpr auto owner_limit = 60s;
constexpr auto start_limit = 60s;
/// From the end of a link or a share to the end of the VM it belonged to.
constexpr auto loss_grace = 2s;
/// From a timed-out agent's TERM to its KILL, and from there to its end.
constexpr auto terminate_grace = 5s;
constexpr auto kill_limit = 5s;

asio::awaitable<void> readable(asio::io_context& io, int fd) {
  asio::posix::stream_descriptor watch(io, fcntl(fd, F_DUPFD_CLOEXEC, 0));
  co_await watch.async_wait(asio::posix::stream_descriptor::wait_read, asio::as_tuple(asio::use_awaitable));
}

const char* describe(hypervisor::End end) {
  switch (end) {
    case hypervisor::End::powered_off:
      return "the guest powered off";
    case hypervisor::End::crashed:
      return "the guest crashed";
    case hypervisor::End::killed:
      return "the VM was killed";
    case hypervisor::End::vmm_died:
      return "the VMM died";
  }
  return "the VM ended";
}

bool in_cloud_hypervisor(const vmspec::VmSpec& spec) {
  return spec.hypervisor == vmspec::HypervisorKind::cloud_hypervisor;
}

std::unique_ptr<LinkTransport> link_transport(const asio::any_io_executor& executor, const vmspec::VmSpec& spec,
                                              const state::VmPaths& paths) {
  if (in_cloud_hypervisor(spec)) return vsock_transport(executor, paths.vsock_socket());
  return serial_transport(executor, paths.control_socket(), paths.services_socket());
}

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

Life::Life(asio::io_context& io, SupervisorOptions options)
    : io_(io),
      options_(std::move(options)),
      spec_(options_.spec),
      paths_(options_.paths),
      events_(io.get_executor(), paths_.journal("events")),
      mcp_journal_(io.get_executor(), paths_.journal("mcp")),
      model_journal_(io.get_executor(), paths_.journal("model")),
      changed_(io.get_executor()),
      api_(io.get_executor(), paths_.supervisor_socket(),
           [this](link::StreamPtr stream) { return answer(std::move(stream)); }),
      links_(io.get_executor(), link_transport(io.get_executor(), spec_, paths_)),
      reaper_(options_.reaper, options_.agentvm, spec_.name),
      agent_log_(open(paths_.log("agent").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)),
      agent_(std::make_unique<AgentRun>(io.get_executor(), process_of(spec_.agent), agent_log_.get())),
      agent_start_asked_(spec_.detached) {
  state_.name = spec_.name;
  state_.uuid = spec_.uuid;
  state_.started = timestamp_now();
  record("supervisor", getpid());
}

asio::awaitable<int> Life::live() {
  enter("starting");
  asio::co_spawn(io_, api_.run(), asio::detached);
  asio::co_spawn(io_, watch_signals(), asio::detached);
  asio::co_spawn(io_, watch_reaper(), asio::detached);
  if (options_.owner) {
    // A caller that dies before it has asked for /own leaves only this trace.
    api_.adopt(std::move(options_.owner), [this] {
      if (!owned_ && !gone_ && !spec_.detached) end("its caller went away");
    });
  }
  try {
    co_await bring_up();
    co_await run_agent();
    if (spec_.keep && !stopping_) co_await wait_until([] { return false; }, std::chrono::milliseconds::max(), "");
  } catch (const Error& error) {
    if (!stopping_) end("failed", error);
  } catch (const std::exception& error) {
    if (!stopping_) end("failed", Error(error.what()));
  }
  co_await tear_down();
  co_return failure_ ? static_cast<int>(failure_->code()) : 0;
}

asio::awaitable<void> Life::bring_up() {
  enter("booting");
  publish_ports();
  co_await take_lease();
  start_shares();
  start_gateways();
  take_snapshot();
  co_await boot();
  go_on();
  co_await set_up_guest();
  ready_ = true;
  ready_ms_ = since_start();
  enter("ready");
  events_.add("ready",
              {{"boot_ms", ready_ms_}, {"guest", ready_report_ ? guest::to_json(*ready_report_) : nlohmann::json()}});
}

void Life::start_shares() {
  step("shares", fmt::format("sharing {} directories", spec_.shares.size()));
  const workspace::ShareIdentity identity{geteuid(),       getegid(),       spec_.owner_uid,
                                          spec_.owner_gid, spec_.agent.uid, spec_.agent.gid};
  shares_.reserve(spec_.shares.size());  // the watches hold references
  for (std::size_t index = 0; index < spec_.shares.size(); ++index) {
    auto& share = shares_.emplace_back(workspace::ShareServerOptions{.share = spec_.shares[index],
                                                                     .directory = options_.directories.at(index),
                                                                     .virtiofsd = spec_.virtiofsd,
                                                                     .mount_place = paths_.share_place(index),
                                                                     .socket = paths_.share_socket(index),
                                                                     .log = paths_.log("virtiofsd"),
                                                                     .instance = spec_.uuid,
                                                                     .identity = identity});
    for (const pid_t pid : share.processes()) {
      reaper_.watch(pid);
      record("virtiofsd", pid);
    }
    asio::co_spawn(io_, watch_share(share), asio::detached);
  }
}

const HeldDirectory& Life::workspace_directory() const {
  for (std::size_t index = 0; index < spec_.shares.size(); ++index) {
    if (spec_.shares[index].tag == vmspec::workspace_tag) return options_.directories.at(index);
  }
  throw Error("the plan shares no workspace");
}

void Life::take_snapshot() {
  asio::post(worker_, [this] {
    std::optional<workspace::Snapshot> snapshot;
    try {
      snapshot = workspace::take_snapshot(workspace_directory(), paths_.state_dir + "/before");
    } catch (const std::exception& error) {
      spdlog::warn("the report will list no files: {}", error.what());
    }
    asio::post(io_, [this, taken = std::move(snapshot)]() mutable {
      before_ = std::move(taken);
      snapshot_done_ = true;
      changed_.notify();
    });
  });
}

asio::awaitable<void> Life::boot() {
  step("vmm", fmt::format("starting {} ({})", in_cloud_hypervisor(spec_) ? "cloud-hypervisor" : "QEMU",
                          spec_.accelerator == vmspec::Accelerator::kvm ? "KVM" : "emulated"));
  hypervisor::Paths paths;
  paths.runtime_dir = paths_.runtime_dir;
  paths.console_log = paths_.log("console");
  paths.vmm_log = paths_.log("vmm");
  paths.control_socket = paths_.control_socket();
  paths.services_socket = paths_.services_socket();
  paths.vsock_socket = paths_.vsock_socket();
  for (const auto& share : shares_) paths.share_sockets.push_back(share.socket());
  if (lease_) paths.tap = lease_->info.lease.tap;
  if (lease_) paths.mac = format(lease_->info.lease.mac);
  paths.cache_dir = options_.roots.cache;
  vm_ = in_cloud_hypervisor(spec_) ? hypervisor::make_cloud_hypervisor(io_.get_executor(), spec_, paths)
                                   : hypervisor::make_libvirt_qemu(io_.get_executor(), spec_, paths);
  vm_started_ = true;
  // Shared: the accepting coroutine may outlive this frame.
  const auto linked = std::make_shared<bool>(false);
  asio::co_spawn(
      io_,
      [this]() -> asio::awaitable<void> {
        co_await links_.accept([this](std::string reason) {
          asio::co_spawn(io_, lose("the guest's link was lost", Error(std::move(reason))), asio::detached);
        });
      },
      [this, linked](const std::exception_ptr& error) {
        *linked = !error;
        try {
          if (error) std::rethrow_exception(error);
        } catch (const std::exception& reason) {
          if (!stopping_) end("the guest's links did not come up", Error(reason.what()));
        }
        changed_.notify();
      });
  co_await vm_->boot();
  for (const pid_t pid : vm_->processes()) {
    reaper_.watch(pid);
    record("vmm", pid);
  }
  // virtiofsd's workers exist only once its sandbox stands.
  for (const auto& share : shares_) {
    for (const pid_t pid : share.processes()) reaper_.watch(pid);
  }
  asio::co_spawn(io_, watch_vm(), asio::detached);
  step("kernel", "booting the guest");
  const bool by_guest = links_.wait_for_guest();
  co_await wait_until([&] { return *linked; }, by_guest ? std::chrono::milliseconds(boot_limit) : 10s,
                      by_guest ? "the guest to boot" : "QEMU to connect the guest's links");
}

asio::awaitable<void> Life::lose(std::string what, Error reason) {
  // A VM that ends takes its links and shares with it, and tells better why it ended.
  const auto deadline = std::chrono::steady_clock::now() + loss_grace;
  asio::steady_timer timer(io_, deadline);
  timer.async_wait([this](const boost::system::error_code& error) {
    if (!error) changed_.notify();
  });
  while (!stopping_ && std::chrono::steady_clock::now() < deadline) co_await changed_.wait();
  if (!stopping_) end(std::move(what), std::move(reason));
}

asio::awaitable<void> Life::set_up_guest() {
  guest::GuestSetup setup;
  setup.hostname = spec_.hostname;
  setup.machine_id = spec_.machine_id;
  setup.clock_unix_ms =
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
          .count();
  for (const auto& share : spec_.shares) setup.mounts.push_back({share.tag, share.mount_point, share.read_only});
  for (const auto& file : spec_.files) {
    setup.files.push_back({file.path, file.content, file.target, file.mode, file.uid, file.gid, file.directory});
  }
  for (const auto& server : spec_.mcp) setup.services.push_back("mcp/" + server.name);
  if (spec_.model) {
    setup.services.emplace_back("model");
    setup.model_port = guest::model_tcp_port;
  }
  setup.network = network_setup();
  // Sent before the guest is there: it waits in the link and is answered as soon as the guest can.
  struct Outcome {
    std::optional<link::Answer> answer;
    std::string failure;
  };
  const auto outcome = std::make_shared<Outcome>();
  asio::co_spawn(
      io_,
      [this, outcome, body = guest::to_json(setup).dump()]() mutable -> asio::awaitable<void> {
        outcome->answer = co_await link::request(*links_.control(), "POST", "/setup", std::move(body));
      },
      [this, outcome](const std::exception_ptr& error) {
        try {
          if (error) std::rethrow_exception(error);
        } catch (const std::exception& reason) {
          outcome->failure = reason.what();
        }
        changed_.notify();
      });
  co_await wait_until([&] { return ready_report_.has_value(); }, boot_limit, "the guest to boot");
  step("setup", "mounting the shares");
  co_await wait_until([&] { return outcome->answer.has_value() || !outcome->failure.empty(); }, setup_limit,
                      "the guest to set itself up");
  if (!outcome->failure.empty()) throw Error("setting up the guest: " + outcome->failure);
  if (outcome->answer->status != 200) throw Error("setting up the guest: " + outcome->answer->body);
}

asio::awaitable<void> Life::start_agent() {
  // Shared: a guest that does not answer keeps the start waiting until its link is closed.
  const auto outcome = std::make_shared<std::optional<std::exception_ptr>>();
  asio::co_spawn(io_, agent_->start(links_.control()), [this, outcome](const std::exception_ptr& error) {
    *outcome = error;
    changed_.notify();
  });
  co_await wait_until([&] { return outcome->has_value(); }, start_limit, "the guest to start the agent");
  if (**outcome) std::rethrow_exception(**outcome);
}

asio::awaitable<void> Life::run_agent() {
  if (!agent_start_asked_)
    co_await wait_until([this] { return agent_start_asked_; }, owner_limit, "the caller to attach");
  co_await wait_until([this] { return snapshot_done_; }, owner_limit, "the workspace's listing");
  go_on();
  co_await start_agent();
  agent_started_ms_ = since_start();
  enter("running");
  events_.add("agent-started", {{"argv", spec_.agent.argv}, {"started_ms", agent_started_ms_}});
  std::optional<int> code;
  asio::co_spawn(io_, agent_->ended(), [this, &code](const std::exception_ptr&, int value) {
    code = value;
    changed_.notify();
  });
  const auto wait_for_code = [&](std::chrono::milliseconds limit) -> asio::awaitable<void> {
    const auto deadline = std::chrono::steady_clock::now() + limit;
    while (!code && !stopping_ && std::chrono::steady_clock::now() < deadline) {
      asio::steady_timer timer(io_, deadline);
      timer.async_wait([this](const boost::system::error_code& error) {
        if (!error) changed_.notify();
      });
      co_await changed_.wait();
    }
  };
  const auto limit = std::chrono::milliseconds(spec_.agent.timeout_ms);
  bool timed_out = false;
  if (limit.count() > 0) {
    co_await wait_for_code(limit);
    if (!code && !stopping_) {
      timed_out = true;
      // Beside us: whether the guest answers must not decide when the run ends.
      asio::co_spawn(io_, agent_->terminate(terminate_grace), asio::detached);
      co_await wait_for_code(terminate_grace + kill_limit);
      if (!code) agent_->abandon();
    }
  }
  while (!code && !stopping_) co_await changed_.wait();
  // An agent that ended with its link did not end by itself: what happened is being found out (lose).
  while (!stopping_ && !timed_out && !links_.control()->open_for_streams()) co_await changed_.wait();
  // A waiting `ended` refers to `code`: it must be over before this frame is.
  if (!code) agent_->abandon();
  while (!code) co_await changed_.wait();
  exit_code_ = timed_out ? static_cast<int>(ExitCode::timeout) : *code;
  state_.exit_code = exit_code_;
  events_.add("agent-ended", {{"exit_code", exit_code_}, {"timed_out", timed_out}});
  enter("ended");
  if (!spec_.keep) end(timed_out ? "timeout" : "agent ended");
}

void Life::end(std::string reason, std::optional<Error> failure) {
  if (stopping_) return;
  stopping_ = true;
  end_reason_ = std::move(reason);
  failure_ = std::move(failure);
  if (failure_) {
    exit_code_ = static_cast<int>(failure_->code());
    spdlog::error("{}", failure_->what());
    events_.add("failed", {{"message", failure_->what()},
                           {"hint", failure_->hint()},
                           {"exit_code", exit_code_},
                           {"guest_crashed", vm_end_ == hypervisor::End::crashed},
                           {"console", console_tail()}});
  }
  changed_.notify();
}

void Life::go_on() const {
  if (stopping_) throw Error(end_reason_);
}

asio::awaitable<void> Life::wait_until(std::function<bool()> condition, std::chrono::milliseconds limit,
                                       std::string what) {
  const bool endless = limit == std::chrono::milliseconds::max();
  asio::steady_timer timer(io_);
  bool late = false;
  if (!endless) {
    timer.expires_after(limit);
    timer.async_wait([this, &late](const boost::system::error_code& error) {
      if (error) return;
      late = true;
      changed_.notify();
    });
  }
  while (!condition() && !stopping_ && !late) co_await changed_.wait();
  go_on();
  if (!condition()) {
    throw Error(
        fmt::format("waited {} s for {}", std::chrono::duration_cast<std::chrono::seconds>(limit).count(), what),
        "The guest's console, below, tells how far it came.");
  }
}

asio::awaitable<void> Life::watch_signals() {
  asio::signal_set signals(io_, SIGTERM, SIGINT);
  const auto [error, number] = co_await signals.async_wait(asio::as_tuple(asio::use_awaitable));
  if (!error) end(number == SIGTERM ? "terminated" : "interrupted");
}

asio::awaitable<void> Life::watch_vm() {
  vm_end_ = co_await vm_->wait();
  if (!stopping_) {
    end(describe(*vm_end_), Error(std::string(describe(*vm_end_)) + " while it was in use",
                                  "The end of the guest's console may tell why."));
  }
  changed_.notify();
}

asio::awaitable<void> Life::watch_reaper() {
  co_await readable(io_, reaper_.pidfd());
  if (!gone_)
    end("the reaper was killed",
        Error("agentvm-reaper was killed, so the VM could outlive its supervisor: it was ended"));
}

asio::awaitable<void> Life::watch_share(workspace::ShareServer& share) {
  const Error error = co_await share.ended();
  auto lost = lose("a share was lost", error);
  co_await std::move(lost);
}

void Life::enter(const std::string& phase) {
  state_.phase = phase;
  state::write_state(paths_, state_);
}

void Life::record(const std::string& role, int pid) {
  state_.processes.push_back({role, pid, state::process_start_time(pid)});
  state::write_state(paths_, state_);
}

void Life::step(const std::string& name, const std::string& text) {
  events_.add("step", {{"step", name}, {"text", text}});
}

std::int64_t Life::since_start() const {
  const auto now =
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
          .count();
  return spec_.started_unix_ms > 0 ? now - spec_.started_unix_ms : 0;
}

}  // namespace agentvm::supervisor
