# flake.nix - a NixOS host whose users run coding agents in virtual machines.
#
# What is yours to change: the address of agentvm, the names `host` and `alice`, hardware.nix, the profile.
{
  inputs = {
    nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";
    agentvm = {
      # Where you have agentvm from: a checkout, as here, or the reference of its repository.
      url = "git+file:///path/to/agentvm";
      inputs.nixpkgs.follows = "nixpkgs";
    };
  };

  outputs =
    { nixpkgs, agentvm, ... }:
    {
      nixosConfigurations.host = nixpkgs.lib.nixosSystem {
        modules = [
          agentvm.nixosModules.default
          agentvm.nixosModules.codex
          ./hardware.nix
          ./agents.nix
        ];
      };
    };
}
