// keeper.hpp - one pooled VM: booted for nobody, given away once, and gone with whoever has it.
//
//                 claim            the claim is closed
//   booting -> idle ------> claimed ------------------> ending
//      |         |             |                          ^
//      +---------+-------------+-- the VM ends, SIGTERM --+   nobody asked for it and no poold is there: orphan_limit
//
// A keeper outlives the poold that started it, so that a poold that was killed finds its VMs again.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <list>
#include <memory>
#include <optional>
#include <string>

#include "base/async/clock.hpp"
#include "base/async/event.hpp"
#include "base/async/task_group.hpp"
#include "launcher/claim/line_socket.hpp"
#include "launcher/claim/messages.hpp"
#include "launcher/machine/machine.hpp"
#include "launcher/state/record.hpp"
#include "launcher/state/vm_directory.hpp"

namespace agentvm::pool {

struct KeeperLimits {
  std::chrono::milliseconds orphan{60'000};  ///< an idle VM lives so long without a poold
  std::chrono::milliseconds hand_over{2'000};
  std::chrono::milliseconds memory_look{30'000};  ///< from one look at the VM's memory to the next
};

class Keeper {
 public:
  /// Everything outlives it. `poold`: the connection of the poold that started it. `listener`: where others come.
  /// `guard_fd`: readable when the reaper is gone; -1: there is none.
  Keeper(boost::asio::any_io_executor executor, const vmspec::VmSpec& spec, const state::VmPaths& paths,
         state::Record& record, machine::Parts& parts, Clock& clock, UniqueFd poold, UniqueFd listener, int guard_fd,
         KeeperLimits limits = {});

  /// The whole life: 0 when the VM was given away, or is not wanted any more. Everything is down when it completes; the
  /// directories are left to the caller.
  boost::asio::awaitable<int> live();

 private:
  struct Poold;
  struct Plugged {
    std::string socket;  ///< path of the listener that its virtiofsd serves
    bool used = false;
  };

  boost::asio::awaitable<void> work();
  boost::asio::awaitable<void> claimed();
  boost::asio::awaitable<void> serve_caller();
  boost::asio::awaitable<void> answer(Message message);
  boost::asio::awaitable<void> tell_end();

  boost::asio::awaitable<void> accept_poolds();
  boost::asio::awaitable<void> serve_poold(std::shared_ptr<LineSocket> connection);
  boost::asio::awaitable<void> give_away(Message claim, std::shared_ptr<LineSocket> from);
  boost::asio::awaitable<void> watch_orphanhood();
  boost::asio::awaitable<void> watch_memory();
  boost::asio::awaitable<void> watch_signals();
  boost::asio::awaitable<void> watch_guard();
  boost::asio::awaitable<void> watch_machine();

  void enter(const std::string& phase);
  void tell() noexcept;
  void end(std::string why, bool failed);

  boost::asio::any_io_executor executor_;
  const vmspec::VmSpec& spec_;
  const state::VmPaths& paths_;
  state::Record& record_;
  Clock& clock_;
  UniqueFd listener_;
  int guard_fd_;
  KeeperLimits limits_;
  AsyncEvent changed_;
  std::list<std::shared_ptr<LineSocket>> poolds_;
  std::shared_ptr<LineSocket> caller_;
  std::vector<Plugged> plugged_;
  KeeperState state_;
  machine::Machine machine_;
  bool giving_ = false;
  std::optional<std::string> why_;
  bool failed_ = false;
  TaskGroup tasks_;
};

}  // namespace agentvm::pool
