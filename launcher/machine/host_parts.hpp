// host_parts.hpp - the parts of a VM on this host: virtiofsd, agentvm-netd's network, cloud-hypervisor or QEMU.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <functional>
#include <stop_token>
#include <vector>

#include "base/async/offload.hpp"
#include "base/held_directory.hpp"
#include "launcher/machine/clock_jumps.hpp"
#include "launcher/machine/parts.hpp"
#include "launcher/state/vm_directory.hpp"

namespace agentvm::machine {

class HostParts final : public Parts {
 public:
  /// Called with each process that now belongs to the VM.
  using Watch = std::function<void(const std::string& role, pid_t pid)>;

  /// `spec` and `paths` outlive it; the VM's directories are there. `directories` are what spec.shares names, in its
  /// order; a share that is added later is resolved when it is.
  HostParts(boost::asio::any_io_executor executor, const vmspec::VmSpec& spec, const state::VmPaths& paths,
            std::vector<HeldDirectory> directories, std::string cache_dir, Watch watch);
  /// Ends a request for a lease that nobody waits for any more.
  ~HostParts() override;

  std::unique_ptr<Share> serve_share(const vmspec::ShareSpec& share, std::size_t number) override;
  /// The same on a socket that somebody else has made, and that a VMM of theirs connects to.
  std::unique_ptr<Share> serve_share_on(UniqueFd listener, const vmspec::ShareSpec& share, std::size_t number);
  boost::asio::awaitable<std::unique_ptr<NetworkLease>> take_lease() override;
  std::unique_ptr<LinkTransport> make_transport() override;
  std::unique_ptr<hypervisor::Hypervisor> make_vmm(const std::vector<std::string>& share_sockets,
                                                   const NetworkLease* lease) override;
  std::unique_ptr<Console> open_console() override;
  boost::asio::awaitable<void> clock_jumped() override { return jumps_.next(); }
  void watch(const std::string& role, pid_t pid) noexcept override;

 private:
  boost::asio::any_io_executor executor_;
  const vmspec::VmSpec& spec_;
  const state::VmPaths& paths_;
  std::vector<HeldDirectory> directories_;
  std::string cache_dir_;
  Watch watch_;
  ClockJumps jumps_;
  std::stop_source lease_stop_;
  std::shared_ptr<BlockingWorker> worker_;
};

}  // namespace agentvm::machine
