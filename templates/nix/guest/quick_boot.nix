# quick_boot.nix - a boot without what a machine that is thrown away, and at which nobody sits, has no use for.
#
# Everything here is a default: a module that wants a unit back sets its `enable`, as anywhere in NixOS. Under emulation
# each service that is not started saves one to five seconds, most of them the kernel's (a control group, namespaces, BPF).
{ config, lib, ... }:
let
  off = lib.mkDefault false;
  # What a first or second stage does with a device it has just heard of: load its driver, name it, give it an owner.
  # The rest of some five hundred (terminals, blocks of memory, work queues) has no rule that matters here.
  trigger = udevadm: words: "-${udevadm} trigger --type=devices --action=add ${toString words}";
  first = trigger "/bin/udevadm";
  second = trigger "${config.systemd.package}/bin/udevadm";
in
{
  microvm.optimize.enable = lib.mkDefault true;

  boot.kernelParams = [
    "quiet"
    # One user and one machine, thrown away: the host's own mitigations stand between guest and host.
    "mitigations=off"
    "random.trust_cpu=on"
    "cryptomgr.notests"
    # A first stage that fails ends the VM instead of asking a console that nobody reads.
    "boot.panic_on_fail"
    # The stages and the units, which `quiet` hides: agentvm tells them while somebody waits.
    "systemd.show_status=true"
    # Every boot would be a first one: systemd would read all units to apply presets, of which NixOS has none.
    "systemd.condition_first_boot=false"
  ];
  boot.initrd.verbose = false;
  boot.enableContainers = off;

  # The devices that hold file systems, and what they hang on; the others are the second stage's.
  boot.initrd.systemd.services.systemd-udev-trigger.serviceConfig.ExecStart = [
    ""
    (first [
      "--subsystem-match=block"
      "--subsystem-match=pci"
      "--subsystem-match=virtio"
    ])
  ];
  systemd.services.systemd-udev-trigger.serviceConfig.ExecStart = [
    ""
    # A login waits for its terminal's unit, and systemd for that only so long: first.
    (second [
      "--subsystem-match=tty"
      "--sysname-match=hvc[0-9]*"
      "--sysname-match=ttyS[0-9]*"
    ])
    (second (
      [ "--prioritized-subsystem=block,net,input" ]
      ++ map (name: "--subsystem-nomatch=${name}") [
        "bdi"
        "clockevents"
        "clocksource"
        "event_source"
        "graphics"
        "mem"
        "memory"
        "tty"
        "vc"
        "vtconsole"
        "workqueue"
      ]
    ))
  ];

  console.enable = off;
  programs.command-not-found.enable = off;
  services.logrotate.enable = off;
  # agentvm sets the clock.
  services.timesyncd.enable = off;
  # What may leave the VM is decided on the host.
  networking.firewall.enable = off;
  # The kernel's own killer does for a machine of one user.
  systemd.oomd.enable = off;
  # Nothing is left to be unmounted from outside of the root.
  systemd.shutdownRamfs.enable = off;
  # Nothing is kept, and a journal on a root in memory would take that memory.
  services.journald.storage = lib.mkDefault "volatile";

  systemd.services = {
    # Nobody sits at a virtual terminal. NixOS's getty.target wants it by its other name (services/ttys/getty.nix, 2026-07).
    "getty@tty1".enable = false;
    "autovt@tty1".enable = false;
    # For a system that is updated in place, or kept: its journal, its seed, its number, its crashes.
    systemd-journal-catalog-update.enable = off;
    systemd-journal-flush.enable = off;
    systemd-machine-id-commit.enable = off;
    systemd-pstore.enable = off;
    systemd-random-seed.enable = off;
    systemd-update-done.enable = off;
    # The root is in memory and mounted as it is wanted.
    systemd-remount-fs.enable = off;
    # Drivers that this machine has no device for.
    "modprobe@configfs".enable = off;
    "modprobe@drm".enable = lib.mkDefault config.microvm.graphics.enable;
    "modprobe@efi_pstore".enable = off;
    # Sessions come after the agent, who needs none (agentvm-guest says when it has its links).
    linger-users.after = [ "agentvm-guest.service" ];
    systemd-logind.after = [ "agentvm-guest.service" ];
    systemd-user-sessions.after = [ "agentvm-guest.service" ];
  };
  # Views into the kernel for who debugs it; `mount -t debugfs` and its like bring each back.
  systemd.units =
    lib.genAttrs
      [
        "dev-hugepages.mount"
        "sys-fs-fuse-connections.mount"
        "sys-kernel-config.mount"
        "sys-kernel-debug.mount"
        "sys-kernel-tracing.mount"
      ]
      (_: {
        enable = off;
      });
  # What finds partitions, sleeping systems, updates and keys for ssh.
  systemd.generators = lib.genAttrs [
    "systemd-clonesetup-generator"
    "systemd-factory-reset-generator"
    "systemd-hibernate-resume-generator"
    "systemd-ssh-generator"
    "systemd-system-update-generator"
  ] (_: lib.mkDefault "/dev/null");
}
