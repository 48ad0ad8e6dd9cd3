// claimed_vm.hpp - a VM that was taken from a pool, as the caller has it: descriptors, and later a Machine's parts.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/unique_fd.hpp"
#include "launcher/claim/messages.hpp"
#include "launcher/machine/host_parts.hpp"
#include "vmspec/plan/vm_spec.hpp"

namespace agentvm::pool {

/// What a claim brought. Whoever lets `connection` go lets the VM go.
struct ClaimedVm {
  UniqueFd connection;
  UniqueFd control, services;  ///< the streams of its links
  std::vector<UniqueFd> listeners;
  bool shared = false;
};

/// In the order in which a supervisor inherits them (base/wire/supervisor.hpp).
std::vector<int> descriptors_of(const ClaimedVm& vm);

/// The parts of a Machine whose VM a keeper has: virtiofsd is ours, and on the keeper's sockets; the VMM is asked for
/// by messages. The shares that the VM has already are nobody's here.
class ClaimedParts final : public machine::Parts {
 public:
  /// `spec.pooled` says which VM it is; `own` serves the shares, and outlives it as spec does.
  ClaimedParts(boost::asio::any_io_executor executor, const vmspec::VmSpec& spec, machine::HostParts& own,
               ClaimedVm vm);
  ~ClaimedParts() override;

  std::unique_ptr<machine::Share> serve_share(const vmspec::ShareSpec& share, std::size_t number) override;
  boost::asio::awaitable<std::unique_ptr<machine::NetworkLease>> take_lease() override;
  std::unique_ptr<machine::LinkTransport> make_transport() override;
  std::unique_ptr<hypervisor::Hypervisor> make_vmm(const std::vector<std::string>& share_sockets,
                                                   const machine::NetworkLease* lease) override;
  std::unique_ptr<machine::Console> open_console() override;
  boost::asio::awaitable<void> clock_jumped() override { return own_.clock_jumped(); }
  void watch(const std::string& role, pid_t pid) noexcept override { own_.watch(role, pid); }

 private:
  boost::asio::any_io_executor executor_;
  const vmspec::VmSpec& spec_;
  machine::HostParts& own_;
  std::shared_ptr<class KeeperSession> keeper_;
  ClaimedVm vm_;
  std::map<std::string, std::size_t> listener_of_;  ///< of a share's tag
  std::size_t next_listener_ = 0;
};

}  // namespace agentvm::pool
