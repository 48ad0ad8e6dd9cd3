# flake.nix - agentvm for Nix: packages, the modules of host, home and guest, a shell to work on it, templates.
{
  description = "Virtual machines for coding agents";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";

  outputs =
    inputs@{ self, nixpkgs }:
    let
      inherit (nixpkgs) lib;
      each = f: lib.genAttrs [ "x86_64-linux" ] (system: f nixpkgs.legacyPackages.${system});
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

      # With the packages of any nixpkgs: this flake's own, or whose overlay it is.
      packagesOf = pkgs: rec {
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
      };

      # Modules take this flake's own packages, which need no overlay.
      own = pkgs: self.packages.${pkgs.stdenv.hostPlatform.system};
    in
    {
      packages = each (
        pkgs:
        let
          packages = packagesOf pkgs;
        in
        packages // { default = packages.agentvm; }
      );

      overlays.default = final: _: packagesOf final;

      # The host's side: services.agentvm and programs.agentvm.
      nixosModules.default =
        { pkgs, ... }:
        {
          imports = [ ./nixos-module ];
          services.agentvm.package = lib.mkDefault (own pkgs).agentvm;
          programs.agentvm.package = lib.mkDefault (own pkgs).agentvm;
        };

      # programs.codex, for a host and for a guest.
      nixosModules.codex = ./nixos-module/codex.nix;

      # A guest that is built with whatever refers to it, for guest.image of a profile: the module of the host then needs no
      # Nix at run time. `microvm` is microvm.nix's flake; modules are NixOS's, for the guest.
      lib.mkGuest =
        {
          microvm,
          modules ? [ ],
          specialArgs ? { },
          nixpkgs ? inputs.nixpkgs,
          system ? "x86_64-linux",
        }:
        (nixpkgs.lib.nixosSystem {
          inherit specialArgs;
          modules = [
            { nixpkgs.hostPlatform = lib.mkDefault system; }
            microvm.nixosModules.microvm
            self.nixosModules.guest
            ./templates/nix/image.nix
          ]
          ++ modules;
        }).config.agentvm.image;

      # A host with pools in a VM, as a test to build where there is KVM and a binary cache. No check: microvm.nix is no input.
      lib.vmTest =
        {
          microvm,
          system ? "x86_64-linux",
        }:
        import ./nixos-module/vm-test.nix {
          inherit microvm;
          inherit (self) nixosModules;
          inherit (self.lib) mkGuest;
          pkgs = nixpkgs.legacyPackages.${system};
        };

      # The guest's side, beside microvm.nixosModules.microvm: what `agentvm definition` writes imports it.
      nixosModules.guest =
        { pkgs, ... }:
        {
          imports = [ ./templates/nix/guest.nix ];
          agentvm.package = lib.mkDefault (own pkgs).agentvm-guest;
        };

      # Home Manager's: programs.agentvm.
      homeModules.default =
        { pkgs, ... }:
        {
          imports = [ ./nixos-module/home-manager.nix ];
          programs.agentvm.package = lib.mkDefault (own pkgs).agentvm;
        };

      apps = each (pkgs: {
        default = {
          type = "app";
          program = lib.getExe (own pkgs).agentvm;
          meta.description = "Runs a coding agent in a virtual machine";
        };
      });

      checks = each (
        pkgs:
        {
          inherit (own pkgs) agentvm agentvm-guest;
        }
        // import ./nixos-module/checks.nix {
          inherit lib pkgs;
          inherit (self) nixosModules homeModules;
        }
      );

      formatter = each (pkgs: pkgs.nixfmt-tree);

      devShells = each (pkgs: {
        # The guest's program is linked statically, which takes the static libraries of pkgsStatic: build it with
        # `nix build .#agentvm-guest`, the rest here with -DAGENTVM_GUEST_PROGRAM=OFF.
        default = pkgs.mkShell {
          inputsFrom = [ (own pkgs).agentvm ];
          packages = [
            pkgs.ccache
            pkgs.clang-tools
            pkgs.doctest
            pkgs.python3
            pkgs.socat
          ];
        };

        # What tests/lint/nix_style.sh runs.
        nix-style = pkgs.mkShellNoCC {
          packages = [
            pkgs.deadnix
            pkgs.nixfmt
            pkgs.statix
          ];
        };
      });

      # nix flake init -t
      templates.default = {
        path = ./templates/init;
        description = "agentvm.toml for a project, and an AGENTS.md for a Nix one";
      };
      templates.nixos = {
        path = ./templates/nixos;
        description = "a NixOS host whose users run agents with agentvm";
      };
    };
}
