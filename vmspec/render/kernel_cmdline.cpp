// kernel_cmdline.cpp - the guest kernel's command line.
#include "vmspec/render/kernel_cmdline.hpp"

namespace agentvm::vmspec {

namespace {

/// Under emulation an address that a program has had before is code that QEMU has translated already: each exec of a
/// program took a third of the time (/bin/true 6.5 ms instead of 23). Under KVM it would cost a defence and gain
/// nothing.
std::string emulation_words(const VmSpec& spec) {
  return spec.accelerator == Accelerator::tcg ? " norandmaps" : "";
}

/// The image's own words first: of two consoles the kernel takes the last.
std::string nix_cmdline(const VmSpec& spec, const std::string& transport) {
  std::string line;
  for (const std::string& word : spec.image.kernel_params) line += word + " ";
  // systemd.machine_id: VMs of one closure have an id each. systemd.getty_auto: nobody logs in on the log's port.
  // systemd.tty.term.console: the host keeps a log, in which a terminal's sequences are noise (systemd 257).
  return line +
         "console=ttyS0 panic=-1 8250.nr_uarts=1 systemd.getty_auto=no systemd.tty.term.console=dumb "
         "systemd.machine_id=" +
         spec.machine_id + emulation_words(spec) + " agentvm.transport=" + transport;
}

}  // namespace

std::string kernel_cmdline(const VmSpec& spec) {
  const std::string transport = spec.hypervisor == HypervisorKind::cloud_hypervisor ? "vsock" : "virtio-serial";
  if (spec.image.kind == GuestKind::nix) return nix_cmdline(spec, transport);
  // console: the host keeps the serial port's output; quiet leaves errors and what init says.
  // panic=-1: a panic reboots at once, which the VMM turns into the end of the VM.
  // cryptomgr.notests, 8250.nr_uarts=1: 0.4 s of 2.9 under emulation (self-tests of ciphers, probing of absent ports).
  // mitigations=off: one user, one machine, thrown away; the host's own mitigations stand between guest and host.
  // random.trust_cpu=on: no wait for entropy; virtio-rng adds the host's.
  // agentvm.*: the guest program's own, how its links come and the size of its root (guest/boot.cpp).
  return "console=ttyS0 quiet panic=-1 mitigations=off cryptomgr.notests random.trust_cpu=on 8250.nr_uarts=1 "
         "agentvm.transport=" +
         transport + " agentvm.disk=" + std::to_string(spec.disk_bytes) + emulation_words(spec);
}

}  // namespace agentvm::vmspec
