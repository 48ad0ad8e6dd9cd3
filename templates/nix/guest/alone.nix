# alone.nix - a definition that microvm.nix runs without agentvm: the agent's shell on the console.
{ config, lib, ... }:
{
  services.getty.autologinUser = lib.mkDefault config.agentvm.user;
  # Under agentvm nobody reads there.
  systemd.services."serial-getty@hvc0" = {
    overrideStrategy = "asDropin";
    unitConfig.ConditionKernelCommandLine = "!agentvm.transport";
  };
}
