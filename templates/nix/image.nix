# image.nix - a machine for agentvm alone, without a definition: what `agentvm definition` writes, but for the profile's own.
#
# Size, network, workspace and identity are each VM's, given when it starts; packages and the agent are the other modules'.
{ lib, ... }:
let
  memory = {
    device = "tmpfs";
    fsType = "tmpfs";
    options = [
      "mode=0755"
      "size=8192M"
    ];
    neededForBoot = true;
  };
in
{
  networking.hostName = lib.mkDefault "agentvm";

  microvm = {
    hypervisor = lib.mkDefault "cloud-hypervisor";
    shares = [
      # The host's store, whole and read-only: there is no disk to build.
      {
        tag = "ro-store";
        proto = "virtiofs";
        source = "/nix/store";
        mountPoint = "/nix/.ro-store";
        readOnly = true;
      }
      {
        tag = "workspace";
        proto = "virtiofs";
        source = "workspace/.";
        mountPoint = "/workspace";
      }
    ];
    writableStoreOverlay = "/nix/.rw-store";
    vsock.cid = 3;
  };

  # Everything but the workspace is in memory and thrown away.
  fileSystems."/" = memory;
  fileSystems."/nix/.rw-store" = memory;
}
