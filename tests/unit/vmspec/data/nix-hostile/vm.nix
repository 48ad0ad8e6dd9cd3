# vm.nix - the machine hostile
#
# Nothing in it belongs to one VM: agentvm gives each VM its own workspace, network and identity when it starts it.
{ lib, pkgs, ... }:
{
  networking.hostName = "hostile";

  microvm = {
    # Of microvm.nix alone; agentvm boots it with either. A module may say "qemu".
    hypervisor = lib.mkDefault "cloud-hypervisor";
    vcpu = 8;
    mem = 4096; # MiB

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
        mountPoint = "/workspace";
      }
    ];

    # What `nix build` adds inside goes to memory and is gone with the VM.
    writableStoreOverlay = "/nix/.rw-store";

    # For microvm.nix alone, made of the machine's name: a second VM at the same time needs others.
    interfaces = [
      {
        type = "tap";
        id = "vm-hostile";
        mac = "02:ad:26:6d:b0:ed";
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
      "size=8192M"
    ];
    neededForBoot = true;
  };

  fileSystems."/nix/.rw-store" = {
    device = "tmpfs";
    fsType = "tmpfs";
    options = [
      "mode=0755"
      "size=8192M"
    ];
    neededForBoot = true;
  };

  # agentvm.nixosModules.guest
  agentvm = {
    user = "agent";
    workspace = "/workspace";
    agent.package = pkgs.codex;
    agent.environment = {
      INTERPOLATION = "\${builtins.getEnv \"HOME\"} \$\${a} \\\${b} \$ \$";
      LINES = "one\ntwo\r\nthree\ttab\r";
      QUOTES = "\"'\"''\"";
      TERMINAL = "${builtins.fromJSON "\"\\u001b\""}[31mred${builtins.fromJSON "\"\\u0007\""} ${builtins.fromJSON "\"\\u007f\""}";
      UNICODE = "größe λ 🦀";
    };
    codex.config = ./codex.toml;
    agentsMd = ./AGENTS.md;
  };
}
