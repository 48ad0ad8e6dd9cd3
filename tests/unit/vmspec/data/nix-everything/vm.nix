# vm.nix - the machine everything
#
# Nothing in it belongs to one VM: agentvm gives each VM its own workspace, network and identity when it starts it.
{
  inputs,
  lib,
  pkgs,
  ...
}:
{
  networking.hostName = "everything";

  microvm = {
    # Of microvm.nix alone; agentvm boots it with either. A module may say "qemu".
    hypervisor = lib.mkDefault "cloud-hypervisor";
    vcpu = 3;
    mem = 977; # MiB

    shares = [
      # The host's store, whole and read-only: there is no image to build, and every VM reads the same pages.
      {
        tag = "ro-store";
        proto = "virtiofs";
        source = "/nix/store";
        mountPoint = "/nix/.ro-store";
        readOnly = true;
      }
      # The project: `workspace` where the VM is started, a directory or a link to one (virtiofsd refuses to share
      # a link itself; with the dot it is given the directory).
      {
        tag = "workspace";
        proto = "virtiofs";
        source = "workspace/.";
        mountPoint = "/home/dev/app";
      }
    ];

    # What `nix build` adds inside goes to memory and is gone with the VM.
    writableStoreOverlay = "/nix/.rw-store";

    # For microvm.nix alone, made of the machine's name: a second VM at the same time needs others.
    interfaces = [
      {
        type = "tap";
        id = "vm-everything";
        mac = "02:79:02:1f:06:40";
      }
    ];

    # cloud-hypervisor's vsock is a unix socket on the host, so VMs may share a CID.
    vsock.cid = 3;
  };

  # Everything but the workspace is in memory and thrown away.
  fileSystems."/" = {
    device = "tmpfs";
    fsType = "tmpfs";
    options = [
      "mode=0755"
      "size=2048M"
    ];
    neededForBoot = true;
  };

  fileSystems."/nix/.rw-store" = {
    device = "tmpfs";
    fsType = "tmpfs";
    options = [
      "mode=0755"
      "size=2048M"
    ];
    neededForBoot = true;
  };

  environment.systemPackages = [
    pkgs.git
    pkgs.python3Packages.numpy
    pkgs._7zz
    pkgs."gtk+"
    pkgs."with"
  ];

  # agentvm.nixosModules.guest
  agentvm = {
    user = "dev";
    workspace = "/home/dev/app";
    agent.package = inputs.agent-flake.packages.${pkgs.stdenv.hostPlatform.system}.codex-rs;
    agent.environment = {
      EDITOR = "vi -R";
      TERM = "xterm";
    };
    codex.config = ./codex.toml;
    agentsMd = ./AGENTS.md;
  };
}
