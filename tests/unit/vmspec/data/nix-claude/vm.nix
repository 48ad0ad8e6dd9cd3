# vm.nix - the machine claude
#
# Nothing in it belongs to one VM: agentvm gives each VM its own workspace, network and identity when it starts it.
{
  inputs,
  lib,
  pkgs,
  ...
}:
{
  networking.hostName = "claude";

  microvm = {
    # Of microvm.nix alone; agentvm boots it with either. A module may say "qemu".
    hypervisor = lib.mkDefault "cloud-hypervisor";
    vcpu = 8;
    mem = 4096; # MiB

    shares = [
      # The project: `workspace` where the VM is started, a directory or a link to one (virtiofsd refuses to share
      # a link itself; with the dot it is given the directory).
      {
        tag = "workspace";
        proto = "virtiofs";
        source = "workspace/.";
        mountPoint = "/workspace";
      }
    ];

    # Only what the machine needs, as a disk. With these flags mkfs.erofs comes from the binary cache; others
    # make microvm.nix compile one of its own.
    storeOnDisk = true;
    storeDiskErofsFlags = [
      "-zlz4hc"
      "-Ededupe"
    ];

    # What `nix build` adds inside goes to memory and is gone with the VM.
    writableStoreOverlay = "/nix/.rw-store";

    # No network card: what the agent may reach comes over vsock.
    interfaces = [ ];

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
    agent.package = inputs.llm-agents.packages.${pkgs.stdenv.hostPlatform.system}.claude-code;
    agentsMd = ./AGENTS.md;
    agent.guidance = ".claude/CLAUDE.md";
  };
}
