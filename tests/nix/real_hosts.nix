# real_hosts.nix - services.agentvm on several kinds of real NixOS hosts: what they complain of, and the units they get.
{ cases, ... }@request:
let
  world = import ./real_world.nix request;
  inherit (world.nixpkgs) lib;

  # A machine that a person would install, without the parts that take long to evaluate.
  machine = {
    nixpkgs.hostPlatform = world.system;
    system.stateVersion = lib.trivial.release;
    boot.loader.systemd-boot.enable = true;
    fileSystems."/" = {
      device = "/dev/disk/by-label/nixos";
      fsType = "ext4";
    };
    documentation.enable = false;
    users.users.alice.isNormalUser = true;
    services.agentvm = {
      enable = true;
      users = [ "alice" ];
    };
  };

  kinds = {
    plain = { };
    docker.virtualisation.docker.enable = true;
    nftables.networking.nftables.enable = true;
    networkd = {
      networking.useNetworkd = true;
      systemd.network.networks."10-lan" = {
        matchConfig.Name = "enp1s0";
        networkConfig.DHCP = "yes";
      };
    };
    # With a guest of microvm.nix's own, as its manual has it.
    microvm-host =
      { config, ... }:
      {
        imports = [ world.inputs.microvm.nixosModules.host ];
        microvm.vms.other.config = {
          microvm.hypervisor = "cloud-hypervisor";
          system.stateVersion = config.system.stateVersion;
        };
      };
    no-firewall.networking.firewall.enable = false;
    router = {
      boot.kernel.sysctl."net.ipv4.ip_forward" = 1;
      networking.nat = {
        enable = true;
        externalInterface = "enp1s0";
        internalInterfaces = [ "enp2s0" ];
      };
      networking.nftables.enable = true;
      networking.firewall.filterForward = true;
    };
    never-forwards.boot.kernel.sysctl."net.ipv4.ip_forward" = 0;
    network-manager.networking.networkmanager.enable = true;
    other-bridge.services.agentvm = {
      bridge.name = "br-agents";
      bridge.subnet = "10.9.0.0/16";
      leasesPerUser = 3;
    };
    # Beside microvm.nix's own host module, with a guest that is built with the host.
    pools =
      { pkgs, ... }:
      {
        imports = [
          world.inputs.microvm.nixosModules.host
          world.inputs.agentvm.nixosModules.codex
        ];
        users.users.alice.isNormalUser = true;
        services.agentvm = {
          profiles.work = {
            extends = "rust";
            guest.image = "${world.inputs.agentvm.lib.mkGuest {
              inherit (world.inputs) microvm;
              modules = [ { environment.systemPackages = [ pkgs.hello ]; } ];
            }}";
          };
          pools.work = {
            size = 2;
            maxAge = "6h";
            memoryMax = "5GiB";
            cpuWeight = 50;
          };
          metricsFile = "/var/lib/figures/pools.prom";
          slice.memoryMax = "40G";
          agents = [ "hello" ];
          agentPackages = pkgs;
          codex.enable = true;
          vms.tests = {
            user = "alice";
            workspace = "/home/alice/a b";
            command = [
              "make"
              "100%"
            ];
          };
        };
      };
    wrong-pool.services.agentvm.pools.none = { };
    wrong-bridge.services.agentvm.bridge.name = "a bridge";
    wrong-subnet.services.agentvm.bridge.subnet = "8.8.8.0/24";
  };
in
builtins.mapAttrs (
  _: kind:
  let
    host = lib.nixosSystem {
      modules = [
        world.inputs.agentvm.nixosModules.default
        machine
        kinds.${kind}
      ];
    };
    inherit (host) config;
    text = name: config.systemd.units.${name}.text;
  in
  {
    failed = map (one: one.message) (builtins.filter (one: !one.assertion) config.assertions);
    # A toplevel throws where an assertion fails.
    toplevel =
      if builtins.all (one: one.assertion) config.assertions then
        config.system.build.toplevel.drvPath
      else
        null;
    inherit (config) warnings;
    service = text "agentvm-netd.service";
    socket = text "agentvm-netd.socket";
    pool = config.systemd.units."agentvm-pool.service".text or null;
    slice = config.systemd.units."agentvm.slice".text or null;
    vm = config.systemd.user.units."agentvm-vm-tests.service".text or null;
    lingers = config.users.users.alice.linger;
    etc = builtins.filter (lib.hasPrefix "agentvm/") (builtins.attrNames config.environment.etc);
    pools = config.environment.etc."agentvm/pools.toml".source.value or null;
    inherit (config.programs.agentvm) profiles;
    codex = config.environment.etc."codex/config.toml".source.value or null;
    members = config.users.groups.agentvm.members;
    forwarding = config.boot.kernel.sysctl."net.ipv4.ip_forward" or null;
    packages = map (package: package.name) config.environment.systemPackages;
    opened = config.networking.firewall.interfaces;
    # What other services of a host may do to a bridge and to the taps.
    rules = config.networking.nftables.tables.nixos-fw.content or "";
    networks = builtins.mapAttrs (_: file: file.text) config.systemd.network.units;
    denied = config.networking.dhcpcd.denyInterfaces;
    dhcpcd = config.systemd.services ? dhcpcd;
    unmanaged = config.networking.networkmanager.unmanaged;
  }
) cases
