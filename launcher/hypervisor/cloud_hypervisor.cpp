// cloud_hypervisor.cpp - a VM's life in a cloud-hypervisor process.
//
// Two things tell how a VM fares: the event monitor, which says what happens, and the process's pidfd, which says when
// all is over. Nothing is waited for by trying: the API's socket listens before the process starts and is inherited.
#include "launcher/hypervisor/cloud_hypervisor.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <cerrno>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <utility>

#include "base/async/event.hpp"
#include "base/error.hpp"
#include "base/file.hpp"
#include "base/process.hpp"
#include "base/unix_socket.hpp"
#include "launcher/hypervisor/cloud_hypervisor_api.hpp"
#include "launcher/hypervisor/cloud_hypervisor_events.hpp"
#include "launcher/hypervisor/cloud_hypervisor_support.hpp"
#include "launcher/hypervisor/console_log.hpp"
#include "launcher/hypervisor/vm_ending.hpp"
#include "launcher/state/vm_directory.hpp"
#include "vmspec/render/cloud_hypervisor.hpp"
#include "vmspec/render/kernel_cmdline.hpp"

namespace agentvm::hypervisor {

namespace {

using namespace std::chrono_literals;
namespace asio = boost::asio;
using nlohmann::json;
using Clock = std::chrono::steady_clock;

constexpr auto kill_wait = 2s;
constexpr auto request_limit = 30s;
constexpr auto unplug_limit = 10s;
/// From a guest's panic, while its trace is still being printed, to its end.
constexpr auto panic_grace = 2s;
constexpr std::size_t vmm_log_limit = std::size_t{1} << 20;

class CloudHypervisor final : public Hypervisor {
  /// `function`, unless this object is gone when its turn comes.
  template <typename Function>
  auto if_alive(Function function) {
    return [alive = std::weak_ptr<const bool>(alive_), function = std::move(function)](auto&&... arguments) {
      if (!alive.expired()) function(std::forward<decltype(arguments)>(arguments)...);
    };
  }

 public:
  CloudHypervisor(const asio::any_io_executor& executor, const vmspec::VmSpec& spec, Paths paths)
      : executor_(executor),
        spec_(spec),
        paths_(std::move(paths)),
        api_socket_(paths_.runtime_dir + "/vmm.sock"),
        api_(executor, api_socket_),
        ending_(std::make_shared<VmEnding>(executor)),
        panic_timer_(executor),
        unplugged_(executor) {}

  ~CloudHypervisor() override {
    alive_.reset();
    child_.terminate(0ms);
    if (state_ != State::fresh) unlink(api_socket_.c_str());
    ending_->set(End::killed);
  }

  asio::awaitable<void> boot() override {
    if (state_ != State::fresh) throw Error("the VM " + spec_.name + " was started already");
    state_ = State::booting;
    std::exception_ptr failure;
    try {
      co_await start();
      if (!child_.running()) throw Error("the VM " + spec_.name + " ended while it was started");
      state_ = State::booted;
    } catch (const Error& error) {
      failure = std::make_exception_ptr(error);
    } catch (...) {
      failure = std::current_exception();
    }
    if (!failure) co_return;
    failure = co_await explain(failure);
    give_up();
    std::rethrow_exception(failure);
  }

  std::vector<pid_t> processes() const override {
    return child_.running() ? std::vector<pid_t>{child_.pid()} : std::vector<pid_t>{};
  }

  asio::awaitable<void> add_share(const vmspec::ShareSpec& share, const std::string& socket) override {
    auto added = request("adding the share " + share.tag + " to " + spec_.name, "vm.add-fs",
                         vmspec::render_add_share(share, socket));
    co_await std::move(added);
  }

  asio::awaitable<void> remove_share(const std::string& tag) override {
    const std::string id = vmspec::share_device_id(tag);
    kept_.insert(id);
    auto asked = request("removing the share " + tag + " from " + spec_.name, "vm.remove-device",
                         vmspec::render_remove_share(tag));
    co_await std::move(asked);
    // The request only asks the guest to let go.
    const auto deadline = Clock::now() + unplug_limit;
    asio::steady_timer timer(executor_, deadline);
    timer.async_wait(if_alive([this](const boost::system::error_code& stopped) {
      if (!stopped) unplugged_.notify();
    }));
    while (kept_.contains(id) && child_.running() && Clock::now() < deadline) co_await unplugged_.wait();
    if (kept_.contains(id)) {
      throw Error("the guest of " + spec_.name + " does not let go of the share " + tag, "Unmount it there first.");
    }
  }

  asio::awaitable<void> pause() override {
    auto paused = request("pausing " + spec_.name, "vm.pause", {});
    co_await std::move(paused);
  }

  asio::awaitable<void> resume() override {
    auto resumed = request("resuming " + spec_.name, "vm.resume", {});
    co_await std::move(resumed);
  }

  asio::awaitable<bool> power_off(std::chrono::milliseconds deadline) override {
    if (state_ != State::booted) co_return true;
    const auto until = Clock::now() + deadline;
    ask_to_end("vm.power-button");
    // What is left of the time is for the VMM, which takes the machine down in order even when the guest does not.
    const bool off = co_await ending_->wait_until(until - deadline / 5);
    if (off) co_return true;
    ask_to_end("vmm.shutdown");
    co_return co_await ending_->wait_until(until);
  }

  asio::awaitable<void> kill() override {
    killed_ = true;
    strike();
    if (!child_.running()) co_return;
    const bool gone = co_await ending_->wait_until(Clock::now() + kill_wait);
    if (!gone) ending_->set(End::killed);
  }

  asio::awaitable<End> wait() override {
    const auto ending = ending_;
    while (!ending->end()) co_await ending->wait_until(VmEnding::Time::max());
    co_return *ending->end();
  }

 private:
  enum class State { fresh, booting, booted, failed };

  /// The result is to be named before it is awaited: GCC 12 destroys temporaries within co_await twice.
  asio::awaitable<json> request(std::string step, std::string endpoint, json body) {
    if (state_ != State::booted || !child_.running()) throw Error("the VM " + spec_.name + " does not run");
    return api_.put(std::move(step), std::move(endpoint), std::move(body), request_limit);
  }

  /// Not waited for: a VMM that does not answer must not outlast anybody's deadline.
  void ask_to_end(const char* endpoint) {
    asio::co_spawn(executor_, api_.put("ending " + spec_.name, endpoint, {}, request_limit),
                   [](const std::exception_ptr&, const json&) {});
  }

  /// Both: a VMM that was taken over may have left its group, or put others into it.
  void strike() noexcept {
    child_.signal_group(SIGKILL);
    child_.signal(SIGKILL);
  }

  asio::awaitable<void> start() {
    start_process();
    const std::string step = "starting the VM " + spec_.name;
    auto ping = api_.get(step, "vmm.ping", request_limit);
    const json pong = co_await std::move(ping);
    const auto features = cloud_hypervisor_features(pong);
    const vmspec::CloudHypervisorPaths files{paths_.runtime_dir,   console_->fifo(), paths_.vsock_socket,
                                             paths_.share_sockets, paths_.tap,       paths_.mac};
    auto created =
        api_.put(step, "vm.create", vmspec::render_vm_create(spec_, files, vmspec::kernel_cmdline(spec_), features),
                 request_limit);
    co_await std::move(created);
    auto booted = api_.put(step, "vm.boot", {}, std::chrono::milliseconds(spec_.boot_timeout_ms));
    co_await std::move(booted);
  }

  void start_process() {
    console_.emplace(executor_, paths_.runtime_dir + "/console.fifo", paths_.console_log);
    words_.emplace(executor_, paths_.runtime_dir + "/vmm.fifo", paths_.vmm_log, vmm_log_limit);
    const UniqueFd words(open(words_->fifo().c_str(), O_WRONLY | O_CLOEXEC));
    if (!words) throw system_error(errno, "opening the FIFO " + words_->fifo());
    const UniqueFd api = listen_unix(api_socket_);
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0) throw system_error(errno, "making a pipe");
    UniqueFd events(ends[0]);
    const UniqueFd monitor(ends[1]);
    set_nonblocking(events.get(), true);
    child_ = spawn({.program = spec_.emulator,
                    .args = {"--api-socket", fmt::format("fd={}", api.get()), "--event-monitor",
                             fmt::format("fd={}", monitor.get()), "--seccomp", "true"},
                    .environment = {{{state::instance_variable, spec_.uuid}}},
                    .directory = "/",
                    .stderr_fd = words.get(),
                    .inherit = {api.get(), monitor.get()}});
    events_.emplace(executor_, events.release());
    listen();
    UniqueFd pidfd(fcntl(child_.pidfd(), F_DUPFD_CLOEXEC, 0));
    if (!pidfd) throw system_error(errno, "watching cloud-hypervisor");
    pidfd_.emplace(executor_, pidfd.release());
    pidfd_->async_wait(asio::posix::stream_descriptor::wait_read,
                       if_alive([this](const boost::system::error_code& error) {
                         if (!error) on_process_end();
                       }));
  }

  /// A failed start as it is told: when the process has ended, its last words say more than a closed connection.
  asio::awaitable<std::exception_ptr> explain(std::exception_ptr failure) {
    if (!pidfd_ || killed_) co_return failure;
    const bool ended = co_await ending_->wait_until(Clock::now() + 200ms);
    if (!ended) co_return failure;
    const std::string words = last_vmm_words(paths_.vmm_log);
    const Error reason("starting the VM " + spec_.name + ": cloud-hypervisor ended" +
                       (words.empty() ? fmt::format(" ({})", end_words_) : ": " + words));
    co_return std::make_exception_ptr(reason);
  }

  /// A start that failed or was cancelled: nothing of it stays.
  void give_up() {
    child_.terminate(0ms);
    close_streams();
    state_ = State::failed;
    ending_->set(killed_ ? End::killed : End::vmm_died);
  }

  void listen() {
    events_->async_wait(asio::posix::stream_descriptor::wait_read,
                        if_alive([this](const boost::system::error_code& error) {
                          if (error || !take_events()) return;
                          listen();
                        }));
  }

  /// False at the end of the stream. Reads once, however much there is: a VMM that writes without end is not to hold up
  /// everything else of this thread.
  bool take_events() {
    if (!events_) return false;
    std::array<char, 8192> buffer{};
    const ssize_t got = read(events_->native_handle(), buffer.data(), buffer.size());
    if (got <= 0) return got < 0 && (errno == EAGAIN || errno == EINTR);
    for (const VmmEvent& event : reader_.feed({buffer.data(), static_cast<std::size_t>(got)})) on_event(event);
    return true;
  }

  void on_event(const VmmEvent& event) {
    if (event.source == "guest" && event.event == "panic") {
      if (std::exchange(panicked_, true)) return;
      panic_timer_.expires_after(panic_grace);
      panic_timer_.async_wait(if_alive([this](const boost::system::error_code& stopped) {
        if (!stopped) strike();
      }));
    } else if (event.source == "vm" && event.event == "rebooting") {
      // cloud-hypervisor would boot the guest anew; a VM of ours lives once.
      rebooted_ = true;
      strike();
    } else if (event.event == "shutdown") {
      shut_down_ = true;
    } else if (event.source == "vm" && event.event == "device-removed") {
      kept_.erase(event.id);
      unplugged_.notify();
    }
  }

  void on_process_end() {
    // What it still said; a pipe holds no more.
    for (int round = 0; round < 8; ++round) take_events();
    const auto status = child_.wait(0ms);
    if (status)
      end_words_ =
          status->signal != 0 ? fmt::format("signal {}", status->signal) : fmt::format("exit code {}", status->code);
    close_streams();
    panic_timer_.cancel();
    unplugged_.notify();
    const bool in_order = rebooted_ || (shut_down_ && status && status->shell_code() == 0);
    End end = in_order ? End::powered_off : End::vmm_died;
    if (panicked_ || (in_order && console_shows_panic(paths_.console_log))) end = End::crashed;
    ending_->set(killed_ ? End::killed : end);
  }

  /// The last bytes of the console and the log are written with it.
  void close_streams() {
    console_.reset();
    words_.reset();
    events_.reset();
  }

  asio::any_io_executor executor_;
  vmspec::VmSpec spec_;
  Paths paths_;
  std::string api_socket_;
  CloudHypervisorApi api_;
  std::shared_ptr<VmEnding> ending_;
  std::shared_ptr<const bool> alive_ = std::make_shared<const bool>(true);
  State state_ = State::fresh;
  bool killed_ = false;     ///< by us
  bool shut_down_ = false;  ///< by the guest, or in order by the VMM
  bool rebooted_ = false;   ///< the guest wanted to
  bool panicked_ = false;
  std::string end_words_;
  std::optional<ConsoleLog> console_, words_;
  ChildProcess child_;
  std::optional<asio::posix::stream_descriptor> pidfd_, events_;
  VmmEventReader reader_;
  asio::steady_timer panic_timer_;
  std::set<std::string> kept_;  ///< devices that the guest was asked to let go, and has not yet
  AsyncEvent unplugged_;
};

}  // namespace

std::unique_ptr<Hypervisor> make_cloud_hypervisor(asio::any_io_executor executor, const vmspec::VmSpec& spec,
                                                  Paths paths) {
  return std::make_unique<CloudHypervisor>(executor, spec, std::move(paths));
}

}  // namespace agentvm::hypervisor
