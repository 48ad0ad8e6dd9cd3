# hardening.nix - what agentvm-netd may not do. tests/lint holds it against network/netd/systemd, line by line.
#
# Not here: PrivateNetwork (the host's network is its work), PrivateDevices (/dev/net/tun; DevicePolicy says it), User
# (dnsmasq is started as another user, so CAP_SETUID and CAP_SETGID stay), ProtectKernelTunables (it writes
# net.ipv4.ip_forward and disable_ipv6 of its own links).
{
  CapabilityBoundingSet = [
    "CAP_NET_ADMIN"
    "CAP_NET_BIND_SERVICE"
    "CAP_SETUID"
    "CAP_SETGID"
    "CAP_KILL"
  ];
  DeviceAllow = [ "/dev/net/tun rw" ];
  DevicePolicy = "closed";
  LimitNOFILE = 8192;
  LockPersonality = true;
  MemoryDenyWriteExecute = true;
  NoNewPrivileges = true;
  PrivateTmp = true;
  ProtectClock = true;
  ProtectControlGroups = true;
  ProtectHome = true;
  ProtectHostname = true;
  ProtectKernelLogs = true;
  ProtectKernelModules = true;
  ProtectProc = "invisible";
  ProtectSystem = "strict";
  RemoveIPC = true;
  RestrictAddressFamilies = [
    "AF_UNIX"
    "AF_INET"
    "AF_INET6"
    "AF_NETLINK"
  ];
  RestrictNamespaces = true;
  RestrictRealtime = true;
  RestrictSUIDSGID = true;
  RuntimeDirectory = "agentvm-netd";
  RuntimeDirectoryMode = "0755";
  RuntimeDirectoryPreserve = true;
  SystemCallArchitectures = "native";
  SystemCallErrorNumber = "EPERM";
  SystemCallFilter = [
    "@system-service"
    "~@resources"
  ];
  TasksMax = 64;
  UMask = "0077";
}
