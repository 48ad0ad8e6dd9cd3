# default.nix - services.agentvm on a NixOS host: the network helper agentvm-netd, socket-activated and hardened, and all else.
{
  config,
  lib,
  pkgs,
  ...
}:

let
  cfg = config.services.agentvm;
  dnsPorts = {
    allowedTCPPorts = [ 53 ];
    allowedUDPPorts = [ 53 ];
  };
in
{
  imports = [
    ./agents.nix
    ./codex.nix
    ./pool.nix
    ./program.nix
    ./vms.nix
  ];

  options.services.agentvm = {
    enable = lib.mkOption {
      type = lib.types.bool;
      default = false;
      description = ''
        Whether this host serves VMs: members of the group agentvm may give theirs a network card (agentvm run --egress nat),
        and what else `services.agentvm` names is there.
      '';
    };

    package = lib.mkOption {
      type = lib.types.package;
      default = pkgs.agentvm;
      defaultText = lib.literalExpression "pkgs.agentvm";
      description = "The agentvm package.";
    };

    users = lib.mkOption {
      type = lib.types.listOf lib.types.str;
      default = [ ];
      example = [ "alice" ];
      description = "Users who join the group agentvm, and so may take leases of the network and VMs of the pools.";
    };

    bridge.name = lib.mkOption {
      type = lib.types.str;
      default = "microbr";
      description = "Name of the bridge: 1 to 14 letters, digits, '-' and '_', the first no digit and no '-'. It exists while there are guests.";
    };

    bridge.subnet = lib.mkOption {
      type = lib.types.str;
      default = "192.168.83.0/24";
      description = "The guests' private IPv4 network, /16 to /28. Another one is taken, and said, when it is in use.";
    };

    leasesPerUser = lib.mkOption {
      type = lib.types.ints.positive;
      default = 64;
      description = "How many VMs of one user may have a network card at once. Root has no limit.";
    };
  };

  config = lib.mkIf cfg.enable {
    assertions = [
      {
        assertion = builtins.match "[A-Za-z_][A-Za-z0-9_-]{0,13}" cfg.bridge.name != null;
        message = "services.agentvm.bridge.name is \"${cfg.bridge.name}\"; it must be 1 to 14 letters, digits, '-' and '_', and begin with a letter or '_', as NixOS's firewall writes it without quotes.";
      }
      {
        assertion =
          builtins.match "(10\\.[0-9]+|192\\.168|172\\.(1[6-9]|2[0-9]|3[01]))\\.[0-9]+\\.[0-9]+/(1[6-9]|2[0-8])" cfg.bridge.subnet
          != null;
        message = "services.agentvm.bridge.subnet is \"${cfg.bridge.subnet}\"; it must be a private network from /16 to /28, as 192.168.83.0/24.";
      }
    ];

    users.groups.agentvm.members = cfg.users;

    boot.kernelModules = [
      "tun"
      "bridge"
      "nf_tables"
    ];
    networking.firewall.interfaces.${cfg.bridge.name} = dnsPorts;
    # A firewall that filters what is forwarded refuses what nobody names. What a guest may reach is agentvm-netd's to say.
    networking.firewall.extraForwardRules = lib.mkIf config.networking.firewall.filterForward ''
      iifname "${cfg.bridge.name}" accept comment "agentvm's guests"
    '';

    environment.systemPackages = [ cfg.package ];

    systemd.sockets.agentvm-netd = {
      description = "Leases of the network for agentvm's VMs";
      wantedBy = [ "sockets.target" ];
      socketConfig = {
        ListenStream = "/run/agentvm-netd/netd.sock";
        SocketMode = "0660";
        SocketUser = "root";
        SocketGroup = "agentvm";
        DirectoryMode = "0755";
      };
    };

    systemd.services.agentvm-netd = {
      description = "Network of agentvm's VMs";
      documentation = [ "man:agentvm-netd(8)" ];
      requires = [ "agentvm-netd.socket" ];
      after = [
        "agentvm-netd.socket"
        "network.target"
        "nftables.service"
        "firewall.service"
      ];
      serviceConfig =
        let
          netd = "${cfg.package}/libexec/agentvm/agentvm-netd";
          hardening = import ./hardening.nix;
        in
        hardening
        // {
          ExecStart = lib.escapeShellArgs [
            netd
            "--bridge"
            cfg.bridge.name
            "--subnet"
            cfg.bridge.subnet
            "--leases-per-user"
            (toString cfg.leasesPerUser)
            "--dnsmasq"
            "${pkgs.dnsmasq}/bin/dnsmasq"
          ];
          # After kill -9 too: taps, rules and forwarding of the killed one go at once.
          ExecStopPost = "${netd} --clean";
          Restart = "on-failure";
        };
    };
  };
}
