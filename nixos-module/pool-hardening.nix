# pool-hardening.nix - how agentvm-pool runs, and what it may not do. tests/lint holds it against launcher/pool/systemd.
#
# What poold, keepers and VMMs really use, each seen to be needed under systemd 252:
# * RestrictNamespaces user, mnt, pid, net: virtiofsd's sandbox. Nobody makes the three other kinds.
# * @mount: the same sandbox. seccomp, landlock_*: virtiofsd, QEMU and cloud-hypervisor confine themselves; systemd 252
#   has them in no group.
# * writable and executable memory (no MemoryDenyWriteExecute): QEMU translates code where there is no KVM.
# * AF_UNIX alone, no network: what a guest may reach is its caller's to give. So nothing is fetched, or built, here.
# * RestrictAddressFamilies, PrivateNetwork and InaccessiblePaths keep a VMM that its guest took over from the network and
#   from agentvm-netd, whose group is the pool's too.
# * KillMode=process: idle VMs outlive a killed or restarted poold, which adopts them; claimed ones are their callers'.
#   RemoveIPC and RuntimeDirectoryPreserve for the same reason. OOMPolicy: one VM out of memory is that one's end alone.
# * Delegate: a control group for each pool and VM (so ProtectControlGroups stays off).
# * LimitNOFILE: virtiofsd holds a descriptor for each file that a guest has seen.
#
# Not here: ProtectKernelTunables, ProtectKernelLogs, ProtectHostname, ProtectProc and ProcSubset (virtiofsd mounts a /proc of
# its own, which the kernel refuses in a user namespace where a part of the outer one is covered: fs/namespace.c,
# mnt_already_visible), ProtectKernelModules (a guest's initramfs is made of /usr/lib/modules; loading is refused by the
# system calls and by having no capability), PrivateUsers (who calls is known by the kernel's word of their uid),
# PrivateDevices (/dev/kvm; DevicePolicy says it).
{
  CacheDirectory = "agentvm-pool";
  CacheDirectoryMode = "0700";
  CapabilityBoundingSet = "";
  Delegate = "cpu memory pids";
  DeviceAllow = [
    "/dev/kvm rw"
  ];
  DevicePolicy = "closed";
  Environment = [
    "HOME=/var/lib/agentvm-pool"
    "XDG_CACHE_HOME=/var/cache/agentvm-pool"
    "XDG_RUNTIME_DIR=/run/agentvm-pool"
    "XDG_STATE_HOME=/var/lib/agentvm-pool"
  ];
  Group = "agentvm-pool";
  IPAddressDeny = "any";
  InaccessiblePaths = "-/run/agentvm-netd";
  KeyringMode = "private";
  KillMode = "process";
  LimitNOFILE = 1048576;
  LockPersonality = true;
  NoNewPrivileges = true;
  OOMPolicy = "continue";
  PrivateMounts = true;
  PrivateNetwork = true;
  PrivateTmp = true;
  ProtectClock = true;
  ProtectHome = true;
  ProtectSystem = "strict";
  RemoveIPC = false;
  RestrictAddressFamilies = [
    "AF_UNIX"
  ];
  RestrictNamespaces = "user mnt pid net";
  RestrictRealtime = true;
  RestrictSUIDSGID = true;
  RuntimeDirectory = "agentvm-pool";
  RuntimeDirectoryMode = "0711";
  RuntimeDirectoryPreserve = true;
  StateDirectory = "agentvm-pool";
  StateDirectoryMode = "0700";
  SupplementaryGroups = [
    "agentvm"
    "kvm"
  ];
  SystemCallArchitectures = "native";
  SystemCallErrorNumber = "EPERM";
  SystemCallFilter = [
    "@system-service @mount landlock_add_rule landlock_create_ruleset landlock_restrict_self seccomp"
    "~@keyring @resources"
  ];
  TasksMax = "infinity";
  UMask = "0077";
  User = "agentvm-pool";
}
