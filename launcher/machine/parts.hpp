// parts.hpp - what a Machine is made of, as interfaces: the real ones of this host (host_parts.hpp), or a test's.
#pragma once

#include <sys/types.h>

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "launcher/hypervisor/hypervisor.hpp"
#include "launcher/machine/link_transport.hpp"
#include "network/plan/protocol.hpp"
#include "vmspec/plan/vm_spec.hpp"

namespace agentvm::machine {

/// A host directory being served to one VMM.
class Share {
 public:
  virtual ~Share() = default;
  virtual const std::string& socket() const noexcept = 0;
  /// Its processes; all of them only once the VMM has connected.
  virtual std::vector<pid_t> processes() const = 0;
  /// Completes when it has ended by itself, with the sentence to show. One wait at a time; cancellable.
  virtual boost::asio::awaitable<Error> ended() = 0;
  /// Ends it; returns when it is gone, after the grace at the latest. Never throws.
  virtual boost::asio::awaitable<void> stop(std::chrono::milliseconds grace) = 0;
};

/// A tap of the guests' network, held for one VM.
class NetworkLease {
 public:
  virtual ~NetworkLease() = default;
  virtual const network::LeaseInfo& info() const noexcept = 0;
  /// Completes when the network was taken away. One wait at a time; cancellable.
  virtual boost::asio::awaitable<void> lost() = 0;
  /// Gives it back; idempotent. Never throws.
  virtual void give_back() noexcept = 0;
};

/// What a guest prints while it boots.
class Console {
 public:
  virtual ~Console() = default;
  /// The next bytes, at least one; waits for ever where nothing can be read. One read at a time; cancellable.
  virtual boost::asio::awaitable<std::string> read() = 0;
};

/// Makes the parts of one VM. Outlives its Machine.
class Parts {
 public:
  virtual ~Parts() = default;
  /// Starts serving; `number` tells the shares of one VM apart. Throws Error.
  virtual std::unique_ptr<Share> serve_share(const vmspec::ShareSpec& share, std::size_t number) = 0;
  /// Null where the plan wants no network card. Throws Error.
  virtual boost::asio::awaitable<std::unique_ptr<NetworkLease>> take_lease() = 0;
  /// Made before the VMM starts.
  virtual std::unique_ptr<LinkTransport> make_transport() = 0;
  virtual std::unique_ptr<hypervisor::Hypervisor> make_vmm(const std::vector<std::string>& share_sockets,
                                                           const NetworkLease* lease) = 0;
  /// From its beginning. After the VMM has booted.
  virtual std::unique_ptr<Console> open_console() = 0;
  /// Completes when this host's clock has jumped since the last call. One wait at a time; cancellable.
  virtual boost::asio::awaitable<void> clock_jumped() = 0;
  /// A process now belongs to the VM: it is to die with it, whoever is killed. Never throws.
  virtual void watch(const std::string& role, pid_t pid) noexcept = 0;
};

}  // namespace agentvm::machine
