// libvirt_qemu.cpp - a VM's life through libvirt's API.
//
// Threads: the executor's (all state), one worker (libvirt calls, which block), libvirt's event loop (lifecycle
// events, handed to the executor). Two things tell that a VM has ended: libvirt's event, which knows why, and a pidfd
// of QEMU, which works even when libvirt does not answer.
#include "launcher/hypervisor/libvirt_qemu.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <condition_variable>
#include <cstdlib>
#include <exception>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <utility>

#include "base/async/offload.hpp"
#include "base/file.hpp"
#include "base/process.hpp"
#include "launcher/hypervisor/console_log.hpp"
#include "launcher/hypervisor/embedded_root.hpp"
#include "launcher/hypervisor/libvirt_session.hpp"
#include "launcher/hypervisor/vm_ending.hpp"
#include "launcher/hypervisor/vmm_process.hpp"
#include "vmspec/render/kernel_cmdline.hpp"
#include "vmspec/render/libvirt.hpp"

namespace agentvm::hypervisor {

namespace {

using namespace std::chrono_literals;
namespace asio = boost::asio;

/// From the end of QEMU to the end of what libvirt does about it.
constexpr auto libvirt_end_wait = 1s;
constexpr char qboot[] = "/usr/share/qemu/qboot.rom";

/// Where libvirt's thread leaves its events. Outlives the VM object as long as libvirt holds it.
struct EventSink {
  std::mutex mutex;
  std::condition_variable changed;
  bool stopped = false;                   // libvirt has done with the domain, its files included
  std::function<void(int, int)> deliver;  // empty once nobody listens
};

struct EventData {
  std::string uuid;
  std::shared_ptr<EventSink> sink;
};

int lifecycle_event(virConnectPtr /*connection*/, virDomainPtr domain, int event, int detail, void* data) noexcept {
  const auto& [uuid, sink] = *static_cast<EventData*>(data);
  char its_uuid[VIR_UUID_STRING_BUFLEN];
  if (virDomainGetUUIDString(domain, its_uuid) < 0 || uuid != its_uuid) return 0;
  try {
    const std::lock_guard lock(sink->mutex);
    if (event == VIR_DOMAIN_EVENT_STOPPED) sink->stopped = true;
    sink->changed.notify_all();
    if (sink->deliver) sink->deliver(event, detail);
  } catch (const std::exception&) {
    // Out of memory: the pidfd still tells that the VM has ended.
  }
  return 0;
}

void free_event_data(void* data) noexcept {
  delete static_cast<EventData*>(data);
}

std::string uri_of(const std::string& connect, const EmbeddedRoot& root) {
  if (connect == "embed") return root.uri();
  if (connect == "session") return "qemu:///session";
  if (connect == "system") return "qemu:///system";
  return connect;
}

std::string connection_hint(const std::string& connect) {
  if (connect == "embed") return "Install libvirt's QEMU driver (Debian: libvirt-daemon-driver-qemu).";
  if (connect == "session") return "Is libvirtd installed (Debian: libvirt-daemon)? --connect embed needs no daemon.";
  if (connect == "system") {
    return "Is libvirtd running, and are you in the group libvirt? --connect embed needs neither.";
  }
  return "--connect takes embed, session, system or a libvirt URI.";
}

/// Where session and system daemons note a VM's pid.
std::string daemon_pid_file(const std::string& connect, const std::string& domain_name) {
  if (connect == "system" || geteuid() == 0) return "/run/libvirt/qemu/" + domain_name + ".pid";
  const char* runtime = getenv("XDG_RUNTIME_DIR");
  if (runtime == nullptr) return {};
  return std::string(runtime) + "/libvirt/qemu/run/" + domain_name + ".pid";
}

/// Makes a log of ours, so that a daemon's appending to it leaves it ours.
void make_own(const std::string& log) {
  const UniqueFd file(open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file) throw system_error(errno, "opening the console's log " + log);
}

/// libvirt's handles of one VM. Only the worker touches them, and the destructor once the worker has ended.
struct Handles {
  std::shared_ptr<EventLoop> loop;
  Connection connection;
  Domain domain;
  int callback = -1;

  /// Gives everything back, in order.
  void release() noexcept {
    domain.reset();
    if (callback >= 0) virConnectDomainEventDeregisterAny(connection.get(), callback);
    callback = -1;
    connection.reset();
    loop.reset();
  }
};

class LibvirtQemu final : public Hypervisor {
 public:
  LibvirtQemu(const asio::any_io_executor& executor, const vmspec::VmSpec& spec, Paths paths)
      : executor_(executor),
        spec_(spec),
        paths_(std::move(paths)),
        root_(paths_.runtime_dir + "/lv", paths_.cache_dir),
        ending_(std::make_shared<VmEnding>(executor)),
        grace_(executor),
        worker_(executor) {}

  ~LibvirtQemu() override {
    alive_.reset();
    {
      const std::lock_guard lock(sink_->mutex);
      sink_->deliver = nullptr;
    }
    kill_vmm(spec_.uuid, kill_wait);
    worker_.join();
    kill_vmm(spec_.uuid, kill_wait);  // a start that was under way has come out by now
    wait_for_libvirt();
    handles_.release();
    if (embedded()) remove_tree(root_.path());
    ending_->set(End::killed);
  }

  asio::awaitable<void> boot() override {
    if (state_ != State::fresh) throw Error("the VM " + spec_.name + " was started already");
    state_ = State::booting;
    try {
      co_await start();
      state_ = State::booted;
      ending_->wake();
    } catch (...) {
      give_up();
      throw;
    }
  }

  std::vector<pid_t> processes() const override { return pid_ > 0 ? std::vector<pid_t>{pid_} : std::vector<pid_t>{}; }

  asio::awaitable<void> add_share(const vmspec::ShareSpec& share, const std::string& socket) override {
    const std::string tag = share.tag;
    const std::string xml = vmspec::render_libvirt_share(share, socket);
    // Named, as in remove_share: GCC 12 destroys the captures of a lambda within co_await twice.
    auto attach = [this, tag, xml] {
      if (virDomainAttachDeviceFlags(domain(), xml.c_str(), VIR_DOMAIN_AFFECT_LIVE) < 0) {
        throw libvirt_error("adding the share " + tag + " to " + spec_.name);
      }
    };
    co_await worker_.run(std::move(attach));
    added_[tag] = xml;
  }

  asio::awaitable<void> remove_share(const std::string& tag) override {
    const auto added = added_.find(tag);
    if (added == added_.end()) throw Error("the VM " + spec_.name + " has no added share " + tag);
    auto take_away = [this, name = added->first, xml = added->second] { detach(name, xml); };
    co_await worker_.run(std::move(take_away));
    added_.erase(tag);
  }

  asio::awaitable<void> pause() override {
    co_await worker_.run([this] {
      if (virDomainSuspend(domain()) < 0) throw libvirt_error("pausing " + spec_.name);
    });
  }

  asio::awaitable<void> resume() override {
    co_await worker_.run([this] {
      if (virDomainResume(domain()) < 0) throw libvirt_error("resuming " + spec_.name);
    });
  }

  asio::awaitable<bool> power_off(std::chrono::milliseconds deadline) override {
    if (state_ != State::booted) co_return true;
    const auto until = std::chrono::steady_clock::now() + deadline;
    // Not waited for: a driver that does not answer must not outlast the deadline.
    worker_.start([this] {
      if (handles_.domain) virDomainShutdownFlags(handles_.domain.get(), VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN);
    });
    co_return co_await ending_->wait_until(until);
  }

  asio::awaitable<void> kill() override {
    killed_ = true;
    kill_vmm(spec_.uuid, 0ms);
    // While libvirt is still starting QEMU, one may appear at any moment.
    while (state_ == State::booting) {
      co_await ending_->wait_until(std::chrono::steady_clock::now() + 20ms);
      kill_vmm(spec_.uuid, 0ms);
    }
    if (state_ != State::booted) co_return;
    // A daemon's QEMU may belong to somebody else. The embedded driver need not be asked: it would look at QEMU every
    // 0.2 s until init has reaped it.
    if (!embedded()) destroy();
    // The results are named: GCC 12 miscompiles `if (co_await ...) co_return;`.
    const bool gone = co_await ending_->wait_until(std::chrono::steady_clock::now() + kill_wait);
    if (gone) co_return;
    kill_vmm(spec_.uuid, 0ms);
    destroy();
    const bool gone_at_last = co_await ending_->wait_until(std::chrono::steady_clock::now() + kill_wait);
    if (!gone_at_last) finish(End::killed);
  }

  asio::awaitable<End> wait() override {
    const auto ending = ending_;
    while (!ending->end()) co_await ending->wait_until(VmEnding::Time::max());
    co_return *ending->end();
  }

 private:
  /// A VM that has just ended is being cleaned up by a thread of libvirt's, which makes directories anew that were
  /// removed before.
  void wait_for_libvirt() {
    if (!handles_.domain) return;
    std::unique_lock lock(sink_->mutex);
    sink_->changed.wait_for(lock, libvirt_end_wait, [this] { return sink_->stopped; });
  }

  static constexpr std::chrono::milliseconds kill_wait = 2s;
  enum class State { fresh, booting, booted, failed };

  bool embedded() const { return spec_.connect == "embed"; }
  /// What QEMU writes its console to. The daemons put virtlogd in between, which takes plain files and limits them
  /// itself.
  std::string console_sink() const { return embedded() ? paths_.runtime_dir + "/console.fifo" : paths_.console_log; }

  /// On the worker.
  virDomainPtr domain() const {
    if (!handles_.domain) throw Error("the VM " + spec_.name + " does not run");
    return handles_.domain.get();
  }

  void destroy() {
    worker_.start([this] {
      // "domain is not running" is what is wanted.
      if (handles_.domain) virDomainDestroyFlags(handles_.domain.get(), VIR_DOMAIN_DESTROY_DEFAULT);
    });
  }

  /// `function`, unless this object is gone when its turn comes. On the executor.
  template <typename Function>
  auto if_alive(Function function) {
    return [alive = std::weak_ptr<const bool>(alive_), function = std::move(function)](auto&&... arguments) {
      if (!alive.expired()) function(std::forward<decltype(arguments)>(arguments)...);
    };
  }

  asio::awaitable<void> start() {
    if (embedded()) {
      console_.emplace(executor_, console_sink(), paths_.console_log);
    } else {
      make_own(paths_.console_log);
    }
    sink_->deliver = [this](int event, int detail) {
      asio::post(executor_, if_alive([this, event, detail] { on_event(event, detail); }));
    };
    pid_ = co_await worker_.run([this] { return create(); });
    UniqueFd pidfd = open_pidfd(pid_);
    if (!pidfd || !is_vmm_of(pid_, spec_.uuid)) throw Error("the VM " + spec_.name + " ended while it was started");
    pidfd_.emplace(executor_, pidfd.release());
    pidfd_->async_wait(asio::posix::stream_descriptor::wait_read,
                       if_alive([this](const boost::system::error_code& error) {
                         if (!error) on_process_end();
                       }));
    if (embedded()) worker_.start([this] { root_.save_capabilities(); });
  }

  /// A start that failed or was cancelled: nothing of it stays. The worker cleans up behind what it is doing.
  void give_up() {
    kill_vmm(spec_.uuid, 0ms);
    worker_.start([this] {
      kill_vmm(spec_.uuid, kill_wait);
      handles_.release();
      if (embedded()) remove_tree(root_.path());
    });
    pidfd_.reset();
    console_.reset();
    pid_ = -1;
    state_ = State::failed;
    ending_->set(killed_ ? End::killed : End::vmm_died);
  }

  /// On the worker: connection, events, domain. Returns QEMU's pid.
  pid_t create() {
    if (embedded()) root_.prepare();
    handles_.loop = EventLoop::hold(paths_.runtime_dir + "/libvirt.log");
    const std::string uri = uri_of(spec_.connect, root_);
    handles_.connection.reset(virConnectOpen(uri.c_str()));
    if (!handles_.connection) {
      throw libvirt_error("connecting to libvirt (" + uri + ")", connection_hint(spec_.connect));
    }
    auto data = std::make_unique<EventData>(EventData{spec_.uuid, sink_});
    handles_.callback =
        virConnectDomainEventRegisterAny(handles_.connection.get(), nullptr, VIR_DOMAIN_EVENT_ID_LIFECYCLE,
                                         VIR_DOMAIN_EVENT_CALLBACK(lifecycle_event), data.get(), free_event_data);
    if (handles_.callback < 0) throw libvirt_error("asking libvirt for the events of " + spec_.name);
    static_cast<void>(data.release());  // libvirt frees it
    const std::string xml = domain_xml();
    // Autodestroy: a daemon ends the VM when our connection is lost, kill -9 included. The embedded driver refuses it.
    const unsigned flags = embedded() ? VIR_DOMAIN_NONE : VIR_DOMAIN_START_AUTODESTROY;
    handles_.domain.reset(virDomainCreateXML(handles_.connection.get(), xml.c_str(), flags));
    if (!handles_.domain) throw libvirt_error("starting the VM " + spec_.name);
    const std::string name = vmspec::libvirt_domain_name(spec_);
    const auto found = find_vmm(spec_.uuid, embedded() ? root_.pid_file(name) : daemon_pid_file(spec_.connect, name));
    if (found.empty()) throw Error("the VM " + spec_.name + " ended while it was started");
    return found.front();
  }

  std::string domain_xml() const {
    vmspec::LibvirtFeatures features;
    // The system daemon runs QEMU as a user of its own, who cannot reach sockets in our directories of mode 0700.
    if (spec_.connect == "system") features.dac_label = vmspec::LibvirtFeatures::Label{geteuid(), getegid()};
    if (access(qboot, R_OK) == 0) features.firmware = qboot;
    const vmspec::LibvirtPaths paths{
        console_sink(), paths_.control_socket, paths_.services_socket, paths_.share_sockets, paths_.tap, paths_.mac};
    return vmspec::render_libvirt_domain(spec_, paths, vmspec::kernel_cmdline(spec_), features);
  }

  /// On the worker.
  void detach(const std::string& tag, const std::string& xml) {
    if (virDomainDetachDeviceFlags(domain(), xml.c_str(), VIR_DOMAIN_AFFECT_LIVE) < 0) {
      throw libvirt_error("removing the share " + tag + " from " + spec_.name);
    }
    // libvirt waits some seconds for the guest to let go, and does not say when it has not.
    const std::unique_ptr<char, decltype(&std::free)> now(virDomainGetXMLDesc(domain(), 0), &std::free);
    if (!now) throw libvirt_error("removing the share " + tag + " from " + spec_.name);
    if (std::string_view(now.get()).find("<target dir='" + tag + "'/>") != std::string_view::npos) {
      throw Error("the guest of " + spec_.name + " does not let go of the share " + tag, "Unmount it there first.");
    }
  }

  void on_process_end() {
    if (shut_down_ || killed_) return finish(End::powered_off);
    // An event that says why may still be on its way.
    grace_.expires_after(200ms);
    grace_.async_wait(if_alive([this](const boost::system::error_code& stopped) {
      if (!stopped) finish(shut_down_ ? End::powered_off : End::vmm_died);
    }));
  }

  void on_event(int event, int detail) {
    // After "shutdown" libvirt ends QEMU; its "stopped" may take seconds longer than the process.
    if (event == VIR_DOMAIN_EVENT_SHUTDOWN && detail == VIR_DOMAIN_EVENT_SHUTDOWN_GUEST) shut_down_ = true;
    if (event == VIR_DOMAIN_EVENT_CRASHED) return finish(End::crashed);
    if (event != VIR_DOMAIN_EVENT_STOPPED) return;
    if (detail == VIR_DOMAIN_EVENT_STOPPED_SHUTDOWN) return finish(shut_down_ ? End::powered_off : End::vmm_died);
    if (detail == VIR_DOMAIN_EVENT_STOPPED_CRASHED) return finish(End::crashed);
    if (detail == VIR_DOMAIN_EVENT_STOPPED_DESTROYED) return finish(End::killed);
    finish(End::vmm_died);
  }

  void finish(End end) {
    grace_.cancel();
    if (killed_) end = End::killed;
    // A guest that panics restarts at once, which libvirt reports as a shutdown.
    if (end == End::powered_off && console_shows_panic(paths_.console_log)) end = End::crashed;
    ending_->set(end);
  }

  asio::any_io_executor executor_;
  vmspec::VmSpec spec_;
  Paths paths_;
  EmbeddedRoot root_;
  std::shared_ptr<VmEnding> ending_;
  std::shared_ptr<const bool> alive_ = std::make_shared<const bool>(true);
  std::shared_ptr<EventSink> sink_ = std::make_shared<EventSink>();
  State state_ = State::fresh;
  bool killed_ = false;     ///< by us
  bool shut_down_ = false;  ///< by the guest
  std::optional<ConsoleLog> console_;
  pid_t pid_ = -1;
  std::optional<asio::posix::stream_descriptor> pidfd_;
  asio::steady_timer grace_;
  std::map<std::string, std::string> added_;  ///< tag -> its XML
  Handles handles_;
  BlockingWorker worker_;
};

}  // namespace

std::unique_ptr<Hypervisor> make_libvirt_qemu(asio::any_io_executor executor, const vmspec::VmSpec& spec, Paths paths) {
  return std::make_unique<LibvirtQemu>(executor, spec, std::move(paths));
}

}  // namespace agentvm::hypervisor
