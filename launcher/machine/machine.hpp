// machine.hpp - a VM without a purpose: its VMM, shares, network and links, from nothing to ready and back to nothing.
//
//            boot()              set_up()            power_off(), kill()           take_down()
//   made ------------> booting ----------> up <=====> paused ---------> ending ------------------> gone
//                         |                 |   pause(), resume()         ^
//                         +-----------------+---- it ended by itself -----+
//
// A Machine knows nothing of agents, callers or reports: a Run uses one, and a pool keeps them with no Run at all. What
// ends it is told once, by ended(). Its links may be dropped and made anew while the guest lives on.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <cstddef>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/async/clock.hpp"
#include "base/async/event.hpp"
#include "base/async/task_group.hpp"
#include "base/error.hpp"
#include "base/link/link.hpp"
#include "base/wire/guest.hpp"
#include "launcher/hypervisor/hypervisor.hpp"
#include "launcher/machine/boot_console.hpp"
#include "launcher/machine/guest_links.hpp"
#include "launcher/machine/parts.hpp"
#include "vmspec/plan/vm_spec.hpp"

namespace agentvm::machine {

enum class State { made, booting, up, paused, ending, gone };
const char* name_of(State state) noexcept;

/// Why a VM is no more, or must not go on.
struct Ending {
  enum class Cause { powered_off, crashed, killed, vmm_died, link_lost, share_lost, network_lost };
  Cause cause;
  std::string words;  ///< "the guest crashed"
  Error failure;      ///< the sentence for somebody who still needed it
};

/// How long each step may take.
struct MachineLimits {
  std::chrono::milliseconds lease{30'000};    ///< a request of netd's client waits 20 s for its answer
  std::chrono::milliseconds connect{10'000};  ///< from a running VMM to its end of the links
  std::chrono::milliseconds set_up{30'000};   ///< mounts and files in the guest
  std::chrono::milliseconds loss{2'000};      ///< from a lost link or share to the VM's own ending, which tells more
  std::chrono::milliseconds share_stop{300};  ///< from a share's SIGTERM to its SIGKILL
};

class Machine {
 public:
  /// Told of each step: a short name and a sentence for a progress line.
  using Progress = std::function<void(const std::string& step, const std::string& text)>;

  /// Starts nothing. `spec`, `parts` and `clock` outlive the machine.
  Machine(boost::asio::any_io_executor executor, const vmspec::VmSpec& spec, Parts& parts, Clock& clock,
          Progress progress, MachineLimits limits = {});
  /// take_down() must have completed, or nothing been started.
  ~Machine();
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;

  State state() const noexcept { return state_; }

  /// What the guest may ask for: a path of the service link. Before boot(). The handler must live until take_down().
  void serve(std::string path, link::Handler handler);

  /// Network, shares, VMM, links: returns when the guest has said that it is ready. Throws Error naming the step; then,
  /// or when it was cancelled, only take_down() is left to do.
  boost::asio::awaitable<void> boot();
  /// Tells the guest who it is and what to mount; the host's time and the network are filled in, the time again where
  /// messages are slow. May be repeated: what is mounted stays, the rest is done again. From then on the guest is told
  /// when the host's clock jumps. Throws Error with the guest's sentence.
  boost::asio::awaitable<void> set_up(guest::GuestSetup setup);
  const guest::ReadyReport& ready_report() const { return *ready_report_; }
  const NetworkLease* lease() const noexcept { return lease_.get(); }

  /// The session that carries requests to the guest. Throws Error while there is none.
  link::SessionPtr control() const;
  bool linked() const noexcept;

  /// Serves, plugs in and mounts another directory. Throws Error, and nothing of it is left then; when it was
  /// cancelled, only take_down() removes it.
  boost::asio::awaitable<void> add_share(vmspec::ShareSpec share);
  boost::asio::awaitable<void> pause();
  boost::asio::awaitable<void> resume();
  /// Ends the sessions; what runs in the guest lives on, and its output waits.
  boost::asio::awaitable<void> drop_links();
  /// Makes them anew, and tells the guest the time. Throws Error when the guest does not come.
  boost::asio::awaitable<void> connect_links();

  // For a VM that somebody else goes on with (hand_over.cpp).
  /// Drops the links and gives their streams away: the guest has answered then. From here on the machine asks the guest
  /// nothing; who has the links asks for the rest. Again when that one has dropped them. Throws Error.
  boost::asio::awaitable<LinkStreams> hand_over();
  /// Plugs in a share of somebody else's, whose virtiofsd serves `socket`. Throws Error.
  boost::asio::awaitable<void> plug(vmspec::ShareSpec share, std::string socket);
  boost::asio::awaitable<void> unplug(std::string tag);

  /// Set once, when the VM has ended or must.
  const std::optional<Ending>& ending() const noexcept { return ending_; }
  /// Completes when ending() is set.
  boost::asio::awaitable<void> ended();
  /// The VMM's own ending, when it is known: later than ending() when a link was lost first.
  std::optional<hypervisor::End> vm_end() const noexcept { return vm_end_; }

  /// Asks the guest to power off; at the deadline the VM is killed. Returns when it is gone.
  boost::asio::awaitable<void> power_off(std::chrono::milliseconds deadline);
  boost::asio::awaitable<void> kill();
  /// Everything down, in reverse of coming up; not cancellable, bounded by the limits. Idempotent. Never throws.
  boost::asio::awaitable<void> take_down();

 private:
  struct AddedShare {
    vmspec::ShareSpec spec;
    std::unique_ptr<Share> share;
    std::unique_ptr<TaskGroup> watch;  // of this share alone
  };

  std::list<AddedShare>::iterator start_share(const vmspec::ShareSpec& spec);
  boost::asio::awaitable<void> plug_and_mount(vmspec::ShareSpec share, std::string socket);
  boost::asio::awaitable<void> withdraw(std::list<AddedShare>::iterator added);
  boost::asio::awaitable<void> boot_vmm();
  boost::asio::awaitable<void> await_guest();
  boost::asio::awaitable<void> take_ready_report(link::StreamPtr stream);
  boost::asio::awaitable<void> send_setup();
  boost::asio::awaitable<void> settle_clock();
  /// Waits for a condition that changed_ is notified of, or throws what ended the VM.
  boost::asio::awaitable<void> until(std::function<bool()> condition);
  boost::asio::awaitable<void> watch_vm();
  boost::asio::awaitable<void> watch_share(Share& share);
  boost::asio::awaitable<void> watch_lease();
  boost::asio::awaitable<void> watch_clock();
  boost::asio::awaitable<void> accept_links();
  boost::asio::awaitable<void> lose(Ending ending);
  void end(Ending ending);
  /// What a failed watch of the VM comes to.
  std::function<void(std::exception_ptr)> end_unwatched();
  void go_on() const;
  void watch_processes();

  boost::asio::any_io_executor executor_;
  const vmspec::VmSpec& spec_;
  Parts& parts_;
  Clock& clock_;
  Progress progress_;
  MachineLimits limits_;
  State state_ = State::made;
  AsyncEvent changed_;
  std::optional<Ending> ending_;
  std::optional<hypervisor::End> vm_end_;
  BootConsole boot_words_;
  bool clock_watched_ = false;
  std::map<std::string, link::Handler> services_;
  std::unique_ptr<NetworkLease> lease_;
  std::size_t next_share_ = 0;  // never one that was used: what a withdrawn share leaves goes later
  std::list<AddedShare> shares_;
  std::unique_ptr<GuestLinks> links_;
  std::unique_ptr<hypervisor::Hypervisor> vmm_;
  bool booted_ = false;  ///< the VMM's boot() has returned
  bool linked_ = false;
  bool dropping_ = false;
  std::optional<Error> link_failure_;
  std::optional<guest::ReadyReport> ready_report_;
  guest::GuestSetup setup_;
  std::optional<std::chrono::milliseconds> round_trip_;  ///< the quickest of a short /setup, less the guest's work
  TaskGroup watches_;                                    ///< what waits for the parts' own ends
};

}  // namespace agentvm::machine
