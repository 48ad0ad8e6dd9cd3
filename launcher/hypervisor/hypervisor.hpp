// hypervisor.hpp - the one interface to a VMM: a VM's life, and what may change while it lives.
#pragma once

#include <sys/types.h>

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <string>
#include <vector>

#include "vmspec/plan/vm_spec.hpp"

namespace agentvm::hypervisor {

/// Where this VM's things are on the host; all absolute, all made before boot().
struct Paths {
  std::string runtime_dir;      ///< private to the VM; a VMM may make files in it
  std::string console_log;      ///< the guest's serial console is appended here
  std::string vmm_log;          ///< what a VMM that is our child says of itself is appended here
  std::string control_socket;   ///< virtio-serial: we listen here, the VMM connects the guest's control link to it
  std::string services_socket;  ///< likewise, for the service link
  std::string vsock_socket;     ///< vsock: the VMM listens here for us, and connects to "PATH_PORT" for the guest
  /// One socket per share, in the order of VmSpec::shares; a virtiofsd listens on each.
  std::vector<std::string> share_sockets;
  std::string tap = {};   ///< the VM's tap, there and filtered; "": no network card
  std::string mac = {};   ///< of the card behind it
  std::string cache_dir;  ///< shared by all VMs of the user; may be used for what only speeds things up
};

/// Why a VM is no more.
enum class End { powered_off, crashed, killed, vmm_died };

/// One VM. All calls are made on the supervisor's thread; slow ones do not block it.
class Hypervisor {
 public:
  virtual ~Hypervisor() = default;
  /// Starts the VMM; returns when the guest's CPUs run. Throws Error naming the step and the VMM's own words.
  virtual boost::asio::awaitable<void> boot() = 0;
  /// The VMM's processes; known once boot() has returned. They may not be our children.
  virtual std::vector<pid_t> processes() const = 0;
  /// Hot-plugs a share whose virtiofsd listens on `socket`; the guest still has to mount it.
  virtual boost::asio::awaitable<void> add_share(const vmspec::ShareSpec& share, const std::string& socket) = 0;
  /// The guest must have unmounted it.
  virtual boost::asio::awaitable<void> remove_share(const std::string& tag) = 0;
  virtual boost::asio::awaitable<void> pause() = 0;
  virtual boost::asio::awaitable<void> resume() = 0;
  /// Asks the guest (power button) and returns when the VM is gone, or when the time is up (false).
  virtual boost::asio::awaitable<bool> power_off(std::chrono::milliseconds deadline) = 0;
  /// Ends it at once; returns when it is gone. Never throws: what is already gone is a success.
  virtual boost::asio::awaitable<void> kill() = 0;
  /// Completes when the VM has ended, however.
  virtual boost::asio::awaitable<End> wait() = 0;
};

}  // namespace agentvm::hypervisor
