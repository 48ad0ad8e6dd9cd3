// cloud_hypervisor.hpp - cloud-hypervisor virtual machines: a child process and its REST interface.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <memory>

#include "launcher/hypervisor/hypervisor.hpp"

namespace agentvm::hypervisor {

/// One VM in a cloud-hypervisor of its own (v39 or newer, VmSpec::emulator), which needs KVM. The process is our child:
/// it has its seccomp filters on, confines itself with Landlock where version and kernel have it, carries the VM's
/// instance variable, and dies with the thread that boots it. Nothing is started before boot().
///
/// `executor` must run on one thread, which lives as long as the VM. Destroying the object kills the VM.
std::unique_ptr<Hypervisor> make_cloud_hypervisor(boost::asio::any_io_executor executor, const vmspec::VmSpec& spec,
                                                  Paths paths);

}  // namespace agentvm::hypervisor
