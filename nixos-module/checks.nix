# checks.nix - what `nix flake check` evaluates of the modules: each written into a file, nothing of it built.
{
  lib,
  pkgs,
  nixosModules,
  homeModules,
}:
let
  # Names in the store stay, without what they stand for: a check that builds a NixOS would be no check to wait for.
  file =
    name: value:
    pkgs.writeText "${name}.json" (builtins.unsafeDiscardStringContext (builtins.toJSON value));

  host = lib.nixosSystem {
    modules = [
      nixosModules.default
      nixosModules.codex
      {
        nixpkgs.hostPlatform = pkgs.stdenv.hostPlatform.system;
        # No disks and no boot loader to be asked for.
        boot.isContainer = true;
        system.stateVersion = lib.trivial.release;
        services.agentvm = {
          enable = true;
          profiles.work = {
            extends = "rust";
            # Its place is all that is looked at here.
            guest.image = "/nix/store/agentvm-work";
          };
          pools.work.size = 2;
        };
        programs.codex = {
          enable = true;
          mcpServers.nixos.command = lib.getExe pkgs.mcp-nixos;
          context = "Look names up, never guess them.";
        };
      }
    ];
  };

  # What of Home Manager the module writes to; itself it is no input.
  home = lib.evalModules {
    specialArgs = { inherit pkgs; };
    modules = [
      homeModules.default
      {
        options = {
          assertions = lib.mkOption { type = lib.types.listOf lib.types.anything; };
          home.packages = lib.mkOption { type = lib.types.listOf lib.types.package; };
          home.file = lib.mkOption { type = lib.types.attrsOf lib.types.anything; };
          xdg.configFile = lib.mkOption { type = lib.types.attrsOf lib.types.anything; };
        };
        config.programs.agentvm = {
          enable = true;
          profiles.work.extends = "rust";
          codex.enable = true;
          codex.settings.model_reasoning_effort = "high";
        };
      }
    ];
  };

  checked =
    config:
    let
      failed = map (one: one.message) (lib.filter (one: !one.assertion) config.assertions);
    in
    if failed == [ ] then config else throw (lib.concatStringsSep "; " failed);
in
{
  nixos-module = file "nixos-module" {
    netd = (checked host.config).systemd.services.agentvm-netd.serviceConfig;
    pool = host.config.systemd.services.agentvm-pool.serviceConfig;
    files = lib.mapAttrs (_: entry: entry.source) (
      lib.filterAttrs (
        name: _: lib.hasPrefix "agentvm/" name || lib.hasPrefix "codex/" name
      ) host.config.environment.etc
    );
  };

  home-module = file "home-module" {
    inherit (checked home.config) home xdg;
  };
}
