// machine.cpp - a VM from nothing to ready, and what it may be asked to while it lives.
#include "launcher/machine/machine.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/use_awaitable.hpp>
#include <iterator>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/async/race.hpp"
#include "base/async/within.hpp"
#include "base/json/bounded.hpp"
#include "base/unix_time.hpp"
#include "launcher/machine/boot_watch.hpp"

namespace agentvm::machine {

namespace asio = boost::asio;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t ready_report_bytes = 4096;
constexpr JsonLimits report_limits{.bytes = ready_report_bytes};
constexpr int clock_rounds = 8;
constexpr auto quick_round_trip = 10ms;  // within it a clock needs no better time

const char* words_of(hypervisor::End end) noexcept {
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

Ending ending_of(hypervisor::End end, const std::string& when) {
  using Cause = Ending::Cause;
  const Cause cause = end == hypervisor::End::powered_off ? Cause::powered_off
                      : end == hypervisor::End::crashed   ? Cause::crashed
                      : end == hypervisor::End::killed    ? Cause::killed
                                                          : Cause::vmm_died;
  return {cause, words_of(end),
          Error(std::string(words_of(end)) + " " + when, "The end of the guest's console may say why.")};
}

}  // namespace

const char* name_of(State state) noexcept {
  switch (state) {
    case State::made:
      return "made";
    case State::booting:
      return "booting";
    case State::up:
      return "up";
    case State::paused:
      return "paused";
    case State::ending:
      return "ending";
    case State::gone:
      return "gone";
  }
  return "";
}

Machine::Machine(asio::any_io_executor executor, const vmspec::VmSpec& spec, Parts& parts, Clock& clock,
                 Progress progress, MachineLimits limits)
    : executor_(std::move(executor)),
      spec_(spec),
      parts_(parts),
      clock_(clock),
      progress_(std::move(progress)),
      limits_(limits),
      changed_(executor_),
      watches_(executor_, end_unwatched()) {
  services_["/ready"] = [this](link::StreamPtr stream) { return take_ready_report(std::move(stream)); };
}

Machine::~Machine() = default;

void Machine::serve(std::string path, link::Handler handler) {
  services_[std::move(path)] = std::move(handler);
}

asio::awaitable<void> Machine::boot() {
  if (state_ != State::made) throw Error("the VM " + spec_.name + " was started already");
  state_ = State::booting;
  if (spec_.egress == vmspec::Egress::nat) progress_("network", "requesting a network lease");
  auto leasing = parts_.take_lease();
  auto leased = within(clock_, limits_.lease, "a network lease", std::move(leasing));
  lease_ = co_await std::move(leased);
  if (lease_) watches_.spawn(watch_lease());
  const std::size_t shares = spec_.shares.size() - (spec_.pooled ? spec_.pooled->shares.size() : 0);
  progress_("shares", shares == 1 ? "sharing a directory" : fmt::format("sharing {} directories", shares));
  for (const vmspec::ShareSpec& share : spec_.shares) start_share(share);
  links_ = std::make_unique<GuestLinks>(executor_, parts_.make_transport());
  for (const auto& [path, handler] : services_) links_->serve(path, handler);
  auto booting = boot_vmm();
  co_await std::move(booting);
  auto waiting = await_guest();
  co_await std::move(waiting);
  go_on();
  state_ = State::up;
}

std::list<Machine::AddedShare>::iterator Machine::start_share(const vmspec::ShareSpec& spec) {
  shares_.push_back(
      {spec, parts_.serve_share(spec, next_share_++), std::make_unique<TaskGroup>(executor_, end_unwatched())});
  const auto added = std::prev(shares_.end());
  for (const pid_t pid : added->share->processes()) parts_.watch("virtiofsd", pid);
  added->watch->spawn(watch_share(*added->share));
  return added;
}

asio::awaitable<void> Machine::boot_vmm() {
  std::vector<std::string> sockets;
  sockets.reserve(shares_.size());
  for (const AddedShare& added : shares_) sockets.push_back(added.share->socket());
  progress_("vmm", spec_.pooled
                       ? fmt::format("taking over {} of the pool {}", spec_.pooled->name, spec_.pooled->pool)
                       : fmt::format(
                             "starting {} ({})",
                             spec_.hypervisor == vmspec::HypervisorKind::cloud_hypervisor ? "cloud-hypervisor" : "QEMU",
                             spec_.accelerator == vmspec::Accelerator::kvm ? "KVM" : "emulated"));
  vmm_ = parts_.make_vmm(sockets, lease_.get());
  watches_.spawn(accept_links());
  auto started = vmm_->boot();
  co_await std::move(started);
  booted_ = true;
  watch_processes();
  watches_.spawn(watch_vm());
}

void Machine::watch_processes() {
  for (const pid_t pid : vmm_->processes()) parts_.watch("vmm", pid);
  // virtiofsd's workers exist only once its sandbox stands, which the VMM's connection waits for.
  for (const AddedShare& added : shares_) {
    for (const pid_t pid : added.share->processes()) parts_.watch("virtiofsd", pid);
  }
}

asio::awaitable<void> Machine::await_guest() {
  progress_("kernel", spec_.pooled ? "waiting for the guest" : "booting the guest");
  if (!links_->wait_for_guest()) {
    auto connected = until([this] { return linked_; });
    auto in_time = within(clock_, limits_.connect, "QEMU to connect the guest's links", std::move(connected));
    co_await std::move(in_time);
  }
  BootWatch watch(clock_, boot_words_, parts_.open_console(), progress_,
                  std::chrono::milliseconds(spec_.boot_timeout_ms));
  auto ready = until([this] { return linked_ && ready_report_.has_value(); });
  auto first = race(std::move(ready), watch.run());
  co_await std::move(first);
}

asio::awaitable<void> Machine::take_ready_report(link::StreamPtr stream) {
  const std::string body = co_await stream->read_all(ready_report_bytes);
  ready_report_ = guest::ready_report_from_json(parse_bounded_json(body, report_limits, "the ready report"));
  changed_.notify();
}

asio::awaitable<void> Machine::until(std::function<bool()> condition) {
  for (;;) {
    go_on();
    if (link_failure_) throw Error(*link_failure_);
    if (condition()) co_return;
    co_await changed_.wait();
  }
}

void Machine::go_on() const {
  if (ending_) throw Error(ending_->failure);
}

asio::awaitable<void> Machine::set_up(guest::GuestSetup setup) {
  setup_ = std::move(setup);
  if (lease_) {
    const network::LeaseInfo& info = lease_->info();
    setup_.network = guest::NetworkSetup{format(info.lease.mac), format(info.lease.address), info.prefix,
                                         format(info.gateway), format(info.resolver)};
  }
  progress_("setup", "mounting the shares");
  auto sent = send_setup();
  co_await std::move(sent);
  // What is told later leaves alone what has been made of these.
  setup_.files.clear();
  setup_.network.reset();
  setup_.hostname.clear();
  setup_.machine_id.clear();
  auto settled = settle_clock();
  co_await std::move(settled);
  if (!std::exchange(clock_watched_, true)) watches_.spawn(watch_clock());
}

asio::awaitable<void> Machine::settle_clock() {
  for (int round = 0; round < clock_rounds && (!round_trip_ || *round_trip_ > quick_round_trip); ++round) {
    auto sent = send_setup();
    co_await std::move(sent);
  }
}

asio::awaitable<void> Machine::send_setup() {
  const link::SessionPtr session = control();
  // The guest takes it for the present time, which it is half a round trip later (as NTP has it, RFC 5905, section 8).
  setup_.clock_unix_ms = unix_ms() + round_trip_.value_or(0ms).count() / 2;
  const bool is_short = setup_.files.empty();
  const Clock::Time start = clock_.now();
  auto asking = link::request(*session, "POST", "/setup", guest::to_json(setup_).dump());
  auto in_time = within(clock_, limits_.set_up, "the guest to set itself up", std::move(asking));
  std::optional<Error> failure;
  try {
    const link::Answer answer = co_await std::move(in_time);
    if (answer.status == 200) {
      const auto reply =
          guest::setup_reply_from_json(parse_bounded_json(answer.body, report_limits, "the guest's answer"));
      const auto trip = std::chrono::duration_cast<std::chrono::milliseconds>(clock_.now() - start) -
                        std::chrono::milliseconds(reply.took_ms);
      if (!setup_.entropy.empty() && !reply.reseeded)
        failure = Error("the guest has not mixed the entropy that it was given into its random numbers");
      setup_.entropy.clear();
      if (is_short) round_trip_ = std::max(0ms, std::min(trip, round_trip_.value_or(trip)));
    } else {
      failure = Error("setting up the guest: " + answer.body);
    }
  } catch (const Error& error) {
    failure = error.wrap("setting up the guest");
  }
  if (!failure) co_return;
  // A link that broke off says less than what is found out about it.
  if (!session->open_for_streams()) {
    auto found_out = ended_within(clock_, limits_.loss, ended());
    co_await std::move(found_out);
    go_on();
  }
  throw Error(*failure);
}

link::SessionPtr Machine::control() const {
  if (!linked()) throw Error("there is no link to the guest of " + spec_.name + " now");
  return links_->control();
}

bool Machine::linked() const noexcept {
  return linked_ && links_ && links_->control() && links_->control()->open_for_streams();
}

asio::awaitable<void> Machine::add_share(vmspec::ShareSpec share) {
  if (state_ != State::up)
    throw Error(fmt::format("the VM {} is {}, so no share can be added", spec_.name, name_of(state_)));
  for (const AddedShare& added : shares_) {
    if (added.spec.tag == share.tag)
      throw Error(fmt::format("the VM {} has a share called {} already: {}", spec_.name, share.tag, added.spec.source));
  }
  const auto added = start_share(share);
  std::optional<Error> failure;
  try {
    auto mounted = plug_and_mount(std::move(share), added->share->socket());
    co_await std::move(mounted);
  } catch (const Error& error) {
    failure = error;
  }
  if (!failure) co_return;
  auto withdrawn = withdraw(added);
  co_await std::move(withdrawn);
  throw Error(*failure);
}

asio::awaitable<void> Machine::plug_and_mount(vmspec::ShareSpec share, std::string socket) {
  auto plugged = vmm_->add_share(share, socket);
  co_await std::move(plugged);
  watch_processes();
  setup_.mounts.push_back({share.tag, share.mount_point, share.read_only});
  auto sent = send_setup();
  co_await std::move(sent);
}

asio::awaitable<void> Machine::withdraw(std::list<AddedShare>::iterator added) {
  // Before virtiofsd ends: its end would be the VM's.
  auto unwatched = added->watch->join();
  co_await std::move(unwatched);
  std::erase_if(setup_.mounts, [&](const guest::Mount& mount) { return mount.tag == added->spec.tag; });
  try {
    auto unplugging = vmm_->remove_share(added->spec.tag);
    auto unplugged = ended_within(clock_, limits_.connect, std::move(unplugging));
    co_await std::move(unplugged);
  } catch (const Error&) {
    // It never was plugged in, or the VM has ended.
  }
  auto stopped = added->share->stop(limits_.share_stop);
  co_await std::move(stopped);
  shares_.erase(added);
}

asio::awaitable<void> Machine::pause() {
  if (state_ != State::up)
    throw Error(fmt::format("the VM {} is {}, so it cannot be paused", spec_.name, name_of(state_)));
  auto paused = vmm_->pause();
  co_await std::move(paused);
  state_ = State::paused;
}

asio::awaitable<void> Machine::resume() {
  if (state_ != State::paused) throw Error(fmt::format("the VM {} is {}, not paused", spec_.name, name_of(state_)));
  auto resumed = vmm_->resume();
  co_await std::move(resumed);
  state_ = State::up;
  // Its clock stood still.
  if (linked()) {
    auto sent = send_setup();
    co_await std::move(sent);
  }
}

asio::awaitable<void> Machine::drop_links() {
  if (!linked()) co_return;
  dropping_ = true;
  auto dropped = links_->drop();
  co_await std::move(dropped);
  linked_ = false;
}

asio::awaitable<void> Machine::connect_links() {
  if (linked()) co_return;
  ready_report_.reset();
  link_failure_.reset();
  watches_.spawn(accept_links());
  auto ready = until([this] { return linked_ && ready_report_.has_value(); });
  auto in_time = within(clock_, limits_.connect, "the guest to connect its links anew", std::move(ready));
  co_await std::move(in_time);
  // The host's clock may have jumped while nobody could tell.
  if (state_ != State::up) co_return;
  auto sent = send_setup();
  co_await std::move(sent);
}

asio::awaitable<void> Machine::ended() {
  while (!ending_) co_await changed_.wait();
}

asio::awaitable<void> Machine::accept_links() {
  dropping_ = false;
  std::optional<Error> failure;
  try {
    auto accepted = links_->accept([this](std::string reason) {
      if (dropping_ || state_ == State::ending || state_ == State::gone) return;
      linked_ = false;
      watches_.spawn(lose({Ending::Cause::link_lost, "the guest's link was lost", Error(std::move(reason))}));
    });
    co_await std::move(accepted);
  } catch (const Error& error) {
    failure = error;
  }
  linked_ = !failure;
  link_failure_ = failure;
  changed_.notify();
}

asio::awaitable<void> Machine::watch_vm() {
  auto waiting = vmm_->wait();
  vm_end_ = co_await std::move(waiting);
  const std::string failed = boot_words_.failed().empty() ? "" : ": " + boot_words_.failed();
  end(ending_of(*vm_end_, state_ == State::booting ? "while it booted" + failed : "during the run"));
  changed_.notify();
}

asio::awaitable<void> Machine::watch_share(Share& share) {
  auto waiting = share.ended();
  const Error error = co_await std::move(waiting);
  auto lost = lose({Ending::Cause::share_lost, "a share was lost", error});
  co_await std::move(lost);
}

asio::awaitable<void> Machine::watch_lease() {
  auto waiting = lease_->lost();
  co_await std::move(waiting);
  end({Ending::Cause::network_lost, "the network was lost",
       Error("agentvm-netd ended, and the VM's network with it, so the VM was stopped",
             "journalctl -u agentvm-netd may say why it ended.")});
}

asio::awaitable<void> Machine::watch_clock() {
  for (;;) {
    auto jumped = parts_.clock_jumped();
    co_await std::move(jumped);
    if (state_ != State::up || !linked()) continue;  // resume() and connect_links() tell the time
    try {
      auto sent = send_setup();
      co_await std::move(sent);
    } catch (const Error&) {
      // A wrong clock is no reason to end a VM; a link that is lost is seen to elsewhere.
    }
  }
}

asio::awaitable<void> Machine::lose(Ending ending) {
  // A VM that ends takes its links and shares with it, and tells better why it ended.
  auto told = ended_within(clock_, limits_.loss, ended());
  co_await std::move(told);
  end(std::move(ending));
}

std::function<void(std::exception_ptr)> Machine::end_unwatched() {
  return [this](const std::exception_ptr& failure) {
    try {
      std::rethrow_exception(failure);
    } catch (const std::exception& error) {
      end({Ending::Cause::killed, "watching the VM failed", Error(error.what())});
    }
  };
}

void Machine::end(Ending ending) {
  if (ending_) return;
  ending_ = std::move(ending);
  changed_.notify();
}

}  // namespace agentvm::machine
