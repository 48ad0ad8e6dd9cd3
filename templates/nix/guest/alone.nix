# alone.nix - a definition that microvm.nix runs without agentvm: the agent's shell on the console.
{ config, lib, ... }:
{
  services.getty.autologinUser = lib.mkDefault config.agentvm.user;
}
