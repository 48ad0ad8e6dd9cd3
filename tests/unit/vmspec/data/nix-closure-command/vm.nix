# vm.nix - the machine closure-command
#
# Nothing in it belongs to one VM: agentvm gives each VM its own workspace, network and identity when it starts it.
{ lib, pkgs, ... }:
{
  networking.hostName = "closure-command";

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
        readOnly = true;
      }
    ];

    # Only what the machine needs, as a disk. With these flags mkfs.erofs comes from the binary cache; others
    # make microvm.nix compile one of its own.
    storeOnDisk = true;
    storeDiskErofsFlags = [
      "-zlz4hc"
      "-Ededupe"
    ];

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

  environment.systemPackages = [
    pkgs.gnumake
  ];

  # agentvm.nixosModules.guest
  agentvm = {
    user = "agent";
    workspace = "/workspace";
  };
}
