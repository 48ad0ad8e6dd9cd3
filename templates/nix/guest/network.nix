# network.nix - who sets up the network card: agentvm-guest under agentvm, networkd with microvm.nix alone.
{ config, lib, ... }:
let
  # Without devices or networks of a module's own, networkd and resolved have nothing to do under agentvm: agentvm-guest
  # sets the addresses and writes /etc/resolv.conf.
  idle =
    config.systemd.network.netdevs == { }
    && lib.all (name: lib.hasPrefix "40-agentvm" name || lib.hasPrefix "99-" name) (
      builtins.attrNames config.systemd.network.networks
    );
  unlessIdle.unitConfig = lib.mkIf idle { ConditionKernelCommandLine = "!agentvm.transport"; };
in
{
  # Cards keep the kernel's names: a card renamed while agentvm-guest sets its address would be missed.
  networking.usePredictableInterfaceNames = lib.mkDefault false;
  # udev may come to the card only after agentvm-guest has looked for it.
  boot.initrd.kernelModules = [ "virtio_net" ];

  # The networks below are networkd's.
  networking.useNetworkd = lib.mkDefault true;
  systemd.network.networks."40-agentvm" = {
    matchConfig = {
      Type = "ether";
      KernelCommandLine = "!agentvm.transport";
    };
    networkConfig.DHCP = "ipv4";
  };
  # networkd takes the first file that matches: without this one NixOS's own 99-ethernet-default-dhcp, which would drop
  # agentvm-guest's addresses and ask a network without DHCP for others.
  systemd.network.networks."40-agentvm-sets" = {
    matchConfig = {
      Type = "ether";
      KernelCommandLine = "agentvm.transport";
    };
    linkConfig.Unmanaged = true;
  };

  systemd.services = {
    systemd-networkd = unlessIdle;
    systemd-networkd-persistent-storage = unlessIdle;
    systemd-resolved = unlessIdle;
  };
  # Each would start its service, and fail for it.
  systemd.sockets = {
    systemd-networkd = unlessIdle;
    systemd-networkd-resolve-hook = unlessIdle;
    systemd-networkd-varlink = unlessIdle;
    systemd-networkd-varlink-metrics = unlessIdle;
    systemd-resolved-monitor = unlessIdle;
    systemd-resolved-varlink = unlessIdle;
  };
}
