// libvirt_qemu.hpp - QEMU virtual machines through libvirt.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <memory>
#include <string>

#include "launcher/hypervisor/hypervisor.hpp"

namespace agentvm::hypervisor {

/// One VM as a transient libvirt domain "agentvm-NAME". VmSpec::connect chooses the driver: "embed" runs it inside this
/// process with a root of its own below runtime_dir (no daemon is needed; one process may use one such root), "session"
/// and "system" are libvirt's daemons, anything else is taken as a URI. Nothing is started before boot().
///
/// libvirt's event loop and its blocking calls run on two threads of the object; everything else happens on `executor`,
/// which must run on one thread. Destroying the object kills the VM; only the reaper outlives a supervisor.
/// All domains of this process share libvirt's one event loop.
std::unique_ptr<Hypervisor> make_libvirt_qemu(boost::asio::any_io_executor executor, const vmspec::VmSpec& spec,
                                              Paths paths);

}  // namespace agentvm::hypervisor
