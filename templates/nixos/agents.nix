# agents.nix - what agents may have on this host.
{ lib, pkgs, ... }:
{
  programs.agentvm = {
    enable = true;
    # agentvm run --profile work
    profiles.work = {
      description = "Rust projects, in a NixOS guest";
      extends = "rust";
      machine.memory = "8GiB";
      guest = {
        source = "nix";
        packages.add = [ "just" ];
      };
      agent.timeout = "2h";
    };
  };

  # A network card for the VMs of these users; without it agents reach the model and the MCP servers alone.
  services.agentvm = {
    enable = true;
    users = [ "alice" ];
  };

  # Codex on the host itself. agentvm takes its program into guests of the host's system.
  programs.codex = {
    enable = true;
    mcpServers.nixos.command = lib.getExe pkgs.mcp-nixos;
  };

  users.users.alice = {
    isNormalUser = true;
    # The VMs' acceleration.
    extraGroups = [ "kvm" ];
  };
}
