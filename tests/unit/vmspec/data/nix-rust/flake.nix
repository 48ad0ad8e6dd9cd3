# flake.nix - rust: Rust projects
#
# nix build            what agentvm boots: manifest.json, and all that it names
# nix build .#runner   what microvm.nix boots by itself: in a directory with `workspace` in it, a directory or a link to one,
#                      start bin/tap-up and bin/virtiofsd-run as root, then bin/microvm-run
{
  description = "Rust projects";

  inputs = {
    nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";

    # Pinned: since 2026-07-26 a guest that reports ready over vsock is not slowed down by it.
    microvm = {
      url = "github:microvm-nix/microvm.nix/71beea0076cd46dafcee97a5a2e7d00cbba5bd2f";
      inputs.nixpkgs.follows = "nixpkgs";
      # Needed for graphics alone.
      inputs.spectrum.follows = "";
    };

    # The module of the guest's side: the agent's account and agentvm-guest.
    agentvm = {
      url = "git+https://example.org/agentvm";
      inputs.nixpkgs.follows = "nixpkgs";
    };

    # The agent.
    codex-cli-nix = {
      url = "github:sadjow/codex-cli-nix";
      inputs.nixpkgs.follows = "nixpkgs";
    };
  };

  outputs =
    inputs@{
      nixpkgs,
      microvm,
      agentvm,
      ...
    }:
    let
      system = "x86_64-linux";
      vm = nixpkgs.lib.nixosSystem {
        inherit system;
        specialArgs = { inherit inputs; };
        modules = [
          microvm.nixosModules.microvm
          agentvm.nixosModules.guest
          ./vm.nix
        ];
      };
    in
    {
      nixosConfigurations.rust = vm;

      packages.${system} = {
        default = vm.config.agentvm.image;
        runner = vm.config.microvm.declaredRunner;
      };
    };
}
