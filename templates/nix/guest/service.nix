# service.nix - agentvm-guest as a unit, and what it needs of the machine.
{ config, lib, ... }:
let
  cfg = config.agentvm;
in
{
  systemd.services.agentvm-guest = {
    description = "agentvm's links to the host";
    wantedBy = [ "multi-user.target" ];
    restartIfChanged = false;
    # Not after basic.target, which waits for the message bus.
    requires = [ "sysinit.target" ];
    after = [
      "sysinit.target"
      "post-boot.service"
    ];
    before = [ "shutdown.target" ];
    conflicts = [ "shutdown.target" ];
    unitConfig = {
      DefaultDependencies = false;
      ConditionKernelCommandLine = "agentvm.transport";
      # Wants and After, not Requires: it mounts the workspace itself where the machine's own mount has not. By path: NixOS
      # takes no name of a unit with letters beyond ASCII, and systemd makes the name of any path itself.
      WantsMountsFor = builtins.replaceStrings [ "%" ] [ "%%" ] (builtins.toJSON cfg.workspace);
      # Its end is the end of the VM: the host asked for it, or is gone.
      SuccessAction = "poweroff-force";
      FailureAction = "poweroff-force";
    };
    serviceConfig = {
      Type = "notify";
      TimeoutStartSec = "infinity";
      # The transport is on the kernel's command line.
      ExecStart = "${cfg.package}/bin/agentvm-guest serve";
      # What it starts is in its control group; one of them running out of memory is that one's end alone.
      OOMPolicy = "continue";
      TasksMax = "infinity";
      LimitNOFILE = 65536;
    };
  };
  # What the store holds is registered here (microvm.nix, boot.postBootCommands): the agent's first `nix build` needs it.
  systemd.services.post-boot = {
    unitConfig.DefaultDependencies = false;
    requires = [ "sysinit.target" ];
    after = [ "sysinit.target" ];
    before = [ "shutdown.target" ];
    conflicts = [ "shutdown.target" ];
  };
  boot.kernelModules = [
    "virtio_console"
    "vmw_vsock_virtio_transport"
  ];

  # A VM that is given its workspace later boots without it.
  fileSystems.${cfg.workspace}.options = [
    "nofail"
    "nosuid"
    "nodev"
  ];

  # microvm.nix makes it of the host name, which VMs of one closure share. agentvm passes systemd.machine_id=; otherwise
  # systemd makes a random one.
  microvm.machineId = lib.mkDefault null;
}
