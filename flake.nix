# flake.nix - agentvm for Nix: its packages, the modules of host and guest, a shell to work on it.
{
  description = "Virtual machines for coding agents";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";

  outputs =
    { self, nixpkgs }:
    let
      inherit (nixpkgs) lib;
      each = lib.genAttrs [ "x86_64-linux" ];
      version = builtins.head (
        builtins.match ".*project\\(agentvm VERSION ([0-9.]+) .*" (builtins.readFile ./CMakeLists.txt)
      );
      sources =
        parts:
        lib.fileset.toSource {
          root = ./.;
          fileset = lib.fileset.unions (
            [
              ./CMakeLists.txt
              ./base
              ./guest
            ]
            ++ parts
          );
        };
    in
    {
      packages = each (
        system:
        let
          pkgs = nixpkgs.legacyPackages.${system};
        in
        rec {
          default = agentvm;

          agentvm = pkgs.callPackage ./templates/nix/agentvm.nix {
            inherit version agentvm-guest;
            src = sources [
              ./LICENSE
              ./README.md
              ./docs
              ./launcher
              ./templates
              ./vmspec
              (lib.fileset.maybeMissing ./network)
            ];
            # These very sources: a definition and the program that wrote it never differ.
            flakeReference = "path:${self}";
          };

          agentvm-guest = pkgs.pkgsStatic.callPackage ./templates/nix/agentvm-guest.nix {
            inherit version;
            src = sources [ ];
          };
        }
      );

      # The host's side: services.agentvm.
      nixosModules.default =
        { pkgs, ... }:
        {
          imports = [ ./nixos-module ];
          services.agentvm.package = lib.mkDefault self.packages.${pkgs.stdenv.hostPlatform.system}.agentvm;
        };

      # The guest's side, beside microvm.nixosModules.microvm: what `agentvm definition` writes imports it.
      nixosModules.guest =
        { pkgs, ... }:
        {
          imports = [ ./templates/nix/guest.nix ];
          agentvm.package = lib.mkDefault self.packages.${pkgs.stdenv.hostPlatform.system}.agentvm-guest;
        };

      apps = each (system: {
        default = {
          type = "app";
          program = lib.getExe self.packages.${system}.agentvm;
        };
      });

      checks = each (system: {
        inherit (self.packages.${system}) agentvm agentvm-guest;
      });

      devShells = each (
        system:
        let
          pkgs = nixpkgs.legacyPackages.${system};
        in
        {
          # The guest's program is linked statically, which takes the static libraries of pkgsStatic: build it with
          # `nix build .#agentvm-guest`, the rest here with -DAGENTVM_GUEST_PROGRAM=OFF.
          default = pkgs.mkShell {
            inputsFrom = [ self.packages.${system}.agentvm ];
            packages = [
              pkgs.ccache
              pkgs.clang-tools
              pkgs.doctest
              pkgs.python3
              pkgs.socat
            ];
          };
        }
      );

      # nix flake init -t
      templates.default = {
        path = ./templates/init;
        description = "agentvm.toml for a project, and an AGENTS.md for a Nix one";
      };
    };
}
