// kernel_cmdline.cpp - the guest kernel's command line.
#include "vmspec/kernel_cmdline.hpp"

namespace agentvm::vmspec {

std::string kernel_cmdline(const VmSpec& spec) {
  // console: the host keeps the serial port's output; quiet leaves errors and what init says.
  // panic=-1: a panic reboots at once, which the VMM turns into the end of the VM.
  // cryptomgr.notests, 8250.nr_uarts=1: 0.4 s of 2.9 under emulation (self-tests of ciphers, probing of absent ports).
  // mitigations=off: one user, one machine, thrown away; the host's own mitigations stand between guest and host.
  // random.trust_cpu=on: no wait for entropy; virtio-rng adds the host's.
  // agentvm.*: the guest program's own, how its links come and the size of its root (guest/boot.cpp).
  const std::string transport = spec.hypervisor == HypervisorKind::cloud_hypervisor ? "vsock" : "virtio-serial";
  return "console=ttyS0 quiet panic=-1 mitigations=off cryptomgr.notests random.trust_cpu=on 8250.nr_uarts=1 "
         "agentvm.transport=" +
         transport + " agentvm.disk=" + std::to_string(spec.disk_bytes);
}

}  // namespace agentvm::vmspec
