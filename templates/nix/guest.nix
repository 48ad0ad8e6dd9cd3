# guest.nix - the NixOS side of an agentvm guest: the agent's account and programs, agentvm-guest, a quick boot.
#
# Imported beside microvm.nixosModules.microvm. The same closure boots under agentvm and under microvm.nix alone: agentvm puts
# `agentvm.transport=...` on the kernel's command line, and what only it can answer is started only then.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  # The oldest NixOS this is for; what is older fails deep inside microvm.nix or here, with words about neither.
  oldest = "26.05";
  cfg = config.agentvm;
  home = "/home/${cfg.user}";
  # Without a reference to the system where the store is a disk that holds it already (as microvm.nix does).
  toplevel =
    if config.microvm.storeOnDisk then
      builtins.unsafeDiscardStringContext "${config.system.build.toplevel}"
    else
      "${config.system.build.toplevel}";
  inherit (config.microvm) kernel;
  isX86 = pkgs.stdenv.hostPlatform.system == "x86_64-linux";
  # The kernel's own word since NixOS 26.11, the platform's before (nixpkgs, doc/release-notes/rl-2611.section.md).
  kernelTarget = kernel.target or pkgs.stdenv.hostPlatform.linux-kernel.target;
  onlyAlone.unitConfig.ConditionKernelCommandLine = "!agentvm.transport";
in
if lib.versionOlder lib.trivial.release oldest then
  throw "agentvm's guest needs NixOS ${oldest} or newer, and this nixpkgs is of ${lib.trivial.release}: set guest.nixpkgs to a newer one, such as github:NixOS/nixpkgs/nixos-unstable"
else
{
  options.agentvm = {
    package = lib.mkOption {
      type = lib.types.package;
      description = "The package of agentvm-guest, static.";
    };

    user = lib.mkOption {
      type = lib.types.str;
      default = "agent";
      description = "The agent's account (uid 1000). sudo asks it for no password.";
    };

    workspace = lib.mkOption {
      type = lib.types.path;
      default = "/workspace";
      description = "Where the share `workspace` is mounted.";
    };

    agent.package = lib.mkOption {
      type = lib.types.nullOr lib.types.package;
      default = null;
      description = "The agent. null: agentvm brings one from the host, or runs a command.";
    };

    agent.environment = lib.mkOption {
      type = lib.types.attrsOf lib.types.str;
      default = { };
      description = "Variables of login shells. What agentvm itself starts is given its own by agentvm.";
    };

    codex.config = lib.mkOption {
      type = lib.types.nullOr lib.types.path;
      default = null;
      description = "~/.codex/config.toml, copied so that Codex can write to it.";
    };

    agentsMd = lib.mkOption {
      type = lib.types.nullOr lib.types.path;
      default = null;
      description = "Guidance for the agent: ~/.codex/AGENTS.md.";
    };

    manifest = lib.mkOption {
      type = lib.types.attrsOf lib.types.anything;
      readOnly = true;
      description = "What agentvm boots and where things are inside; manifest.json of `agentvm.image`.";
    };

    image = lib.mkOption {
      type = lib.types.package;
      readOnly = true;
      description = "manifest.json, and microvm.nix's runner. A GC root on it keeps all that the manifest names.";
    };
  };

  config = {
    # --- the agent's account --------------------------------------------------------------------------------------------

    users.users.${cfg.user} = {
      isNormalUser = true;
      uid = 1000;
      group = cfg.user;
      extraGroups = [
        "wheel"
        "systemd-journal"
      ];
      inherit home;
      homeMode = "755";
    };
    users.groups.${cfg.user}.gid = 1000;
    # The machine is the agent's: nobody else logs in, and nobody has a password.
    users.allowNoPasswordLogin = true;
    # By name as well: it holds for processes without the group, too.
    security.sudo.wheelNeedsPassword = false;
    security.sudo.extraRules = [
      {
        users = [ cfg.user ];
        commands = [
          {
            command = "ALL";
            options = [
              "NOPASSWD"
              "SETENV"
            ];
          }
        ];
      }
    ];

    environment.systemPackages =
      lib.optional (cfg.agent.package != null) cfg.agent.package
      # Codex's own sandbox, when its autonomy is "ask".
      ++ [ pkgs.bubblewrap ];
    programs.git = {
      enable = true;
      # Files of the workspace belong to whoever owns them outside.
      config.safe.directory = "*";
      # The caller's name and address, which agentvm-guest writes before the agent starts; without agentvm there is no such
      # file. What a module says of `user` comes later in /etc/gitconfig, and so wins; its own include takes this one's place.
      config.include.path = lib.mkDefault "/run/agentvm/gitconfig";
    };
    # Programs that were not built for NixOS (a toolchain a project brings) find their loader.
    programs.nix-ld.enable = lib.mkDefault true;

    environment.loginShellInit = lib.concatStrings (
      lib.mapAttrsToList (name: value: "export ${name}=${lib.escapeShellArg value}\n") cfg.agent.environment
    );

    systemd.tmpfiles.rules = [
      "d /run/agentvm 0755 root root -"
      # Where Codex's configuration starts the bridge to MCP servers from.
      "L+ /run/agentvm/agentvm-guest - - - - ${cfg.package}/bin/agentvm-guest"
      "d ${home} 0755 ${cfg.user} ${cfg.user} -"
      "d ${home}/.codex 0700 ${cfg.user} ${cfg.user} -"
    ]
    ++ lib.optional (
      cfg.codex.config != null
    ) "C ${home}/.codex/config.toml 0600 ${cfg.user} ${cfg.user} - ${cfg.codex.config}"
    ++ lib.optional (
      cfg.agentsMd != null
    ) "C ${home}/.codex/AGENTS.md 0644 ${cfg.user} ${cfg.user} - ${cfg.agentsMd}";

    nix.settings = {
      experimental-features = [
        "nix-command"
        "flakes"
      ];
      trusted-users = [ cfg.user ];
    };

    # --- agentvm-guest --------------------------------------------------------------------------------------------------

    systemd.services.agentvm-guest = {
      description = "agentvm's links to the host";
      wantedBy = [ "multi-user.target" ];
      restartIfChanged = false;
      unitConfig = {
        ConditionKernelCommandLine = "agentvm.transport";
        # Wants and After, not Requires: it mounts the workspace itself where the machine's own mount has not. By path: NixOS
        # takes no name of a unit with letters beyond ASCII, and systemd makes the name of any path itself.
        WantsMountsFor = builtins.replaceStrings [ "%" ] [ "%%" ] (builtins.toJSON cfg.workspace);
        # Its end is the end of the VM: the host asked for it, or is gone.
        SuccessAction = "poweroff-force";
        FailureAction = "poweroff-force";
      };
      serviceConfig = {
        # The transport is on the kernel's command line.
        ExecStart = "${cfg.package}/bin/agentvm-guest serve";
        # What it starts is in its control group; one of them running out of memory is that one's end alone.
        OOMPolicy = "continue";
        TasksMax = "infinity";
        LimitNOFILE = 65536;
      };
    };
    boot.kernelModules = [
      "virtio_console"
      "vmw_vsock_virtio_transport"
    ];
    # udev may come to the network card only after agentvm-guest has looked for it.
    boot.initrd.kernelModules = [ "virtio_net" ];

    # A VM that is given its workspace later boots without it.
    fileSystems.${cfg.workspace}.options = [
      "nofail"
      "nosuid"
      "nodev"
    ];

    # microvm.nix makes it of the host name, which VMs of one closure share. agentvm passes systemd.machine_id=; otherwise
    # systemd makes a random one.
    microvm.machineId = lib.mkDefault null;

    # --- a quick boot ---------------------------------------------------------------------------------------------------

    microvm.optimize.enable = lib.mkDefault true;
    boot.kernelParams = [
      "console=hvc0"
      "quiet"
      # One user and one machine, thrown away: the host's own mitigations stand between guest and host.
      "mitigations=off"
      "random.trust_cpu=on"
      "cryptomgr.notests"
      # A first stage that fails ends the VM instead of asking a console that nobody reads.
      "boot.panic_on_fail"
      # The stages and the units, which `quiet` hides: agentvm tells them while somebody waits.
      "systemd.show_status=true"
    ];
    boot.initrd.verbose = false;
    boot.enableContainers = lib.mkDefault false;
    console.enable = lib.mkDefault false;
    # Nobody sits at a virtual terminal. NixOS's getty.target wants it by its other name (services/ttys/getty.nix, 2026-07).
    systemd.services."getty@tty1".enable = false;
    systemd.services."autovt@tty1".enable = false;
    # Nothing is kept, and a journal on a root in memory would take that memory.
    services.journald.storage = lib.mkDefault "volatile";
    # Work for a system that is updated in place, and drivers that this machine has no device for.
    systemd.services.systemd-journal-catalog-update.enable = false;
    systemd.services.systemd-update-done.enable = false;
    systemd.services."modprobe@drm".enable = lib.mkDefault config.microvm.graphics.enable;
    systemd.services."modprobe@efi_pstore".enable = false;
    programs.command-not-found.enable = lib.mkDefault false;
    services.logrotate.enable = lib.mkDefault false;
    # agentvm sets the clock.
    services.timesyncd.enable = lib.mkDefault false;
    # What may leave the VM is decided on the host.
    networking.firewall.enable = lib.mkDefault false;

    # --- with microvm.nix alone -----------------------------------------------------------------------------------------

    # The agent's shell on the console. Under agentvm nobody reads there.
    services.getty.autologinUser = lib.mkDefault cfg.user;
    systemd.services."serial-getty@hvc0" = onlyAlone // {
      overrideStrategy = "asDropin";
    };
    systemd.network.networks."40-agentvm" = {
      matchConfig = {
        Type = "ether";
        KernelCommandLine = "!agentvm.transport";
      };
      networkConfig.DHCP = "ipv4";
    };
    # Cards keep the kernel's names: a card renamed while agentvm-guest sets its address would be missed.
    networking.usePredictableInterfaceNames = lib.mkDefault false;
    # Under agentvm agentvm-guest sets the addresses. networkd takes the first file that matches: without this one NixOS's
    # own 99-ethernet-default-dhcp, which would drop the addresses and ask a network without DHCP for others.
    systemd.network.networks."40-agentvm-sets" = {
      matchConfig = {
        Type = "ether";
        KernelCommandLine = "agentvm.transport";
      };
      linkConfig.Unmanaged = true;
    };

    # Nothing is kept from one VM to the next.
    system.stateVersion = lib.mkDefault lib.trivial.release;

    # --- what agentvm reads ---------------------------------------------------------------------------------------------

    agentvm.manifest = {
      version = 1;
      name = config.networking.hostName;
      system = pkgs.stdenv.hostPlatform.system;
      kernel = {
        # cloud-hypervisor takes the ELF file, QEMU what a boot loader takes.
        elf = if isX86 then "${kernel.dev}/vmlinux" else null;
        image = "${kernel}/${kernelTarget}";
        version = kernel.modDirVersion;
      };
      initrd = "${config.microvm.initrdPath}";
      kernel_params = config.microvm.kernelParams;
      init = "${toplevel}/init";
      store = {
        kind = if config.microvm.storeOnDisk then "disk" else "share";
        disk = if config.microvm.storeOnDisk then "${config.microvm.storeDisk}" else null;
        writable = config.microvm.writableStoreOverlay != null;
      };
      user = {
        name = cfg.user;
        inherit (config.users.users.${cfg.user}) uid;
        inherit (config.users.groups.${cfg.user}) gid;
        inherit home;
      };
      workspace = cfg.workspace;
      tools = {
        agent = if cfg.agent.package == null then null else lib.getExe cfg.agent.package;
        shell = "${pkgs.bashInteractive}/bin/bash";
        sudo = "/run/wrappers/bin/sudo";
      };
      # What a login shell has (environment.profiles of NixOS): `nix profile install` is found either way.
      path = lib.concatMapStringsSep ":" (place: "${place}/bin") [
        "/run/wrappers"
        "${home}/.nix-profile"
        "${home}/.local/state/nix/profile"
        "/etc/profiles/per-user/${cfg.user}"
        "/nix/var/nix/profiles/default"
        "/run/current-system/sw"
      ];
    };

    agentvm.image = pkgs.linkFarm "agentvm-${config.networking.hostName}" [
      {
        name = "manifest.json";
        path = pkgs.writeText "manifest.json" (builtins.toJSON cfg.manifest);
      }
      {
        name = "runner";
        path = config.microvm.declaredRunner;
      }
    ];
  };
}
