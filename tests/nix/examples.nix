# examples.nix - what the examples of docs/nixos.md come to, against the made-up world or the real nixpkgs.
#
# `hosts` and `homes` are files of modules, `definitions` and `flakes` directories with a flake.nix. With `nixpkgs` all but
# `homes` takes NixOS; `microvm` and `homeManager` are trees of theirs, without which definitions and Home Manager's own
# modules are left out.
{
  definitions ? [ ],
  flakes ? [ ],
  hosts ? [ ],
  homes ? [ ],
  nixpkgs ? null,
  microvm ? "",
  homeManager ? "",
}:
let
  made = import ./host_world.nix;
  system = "x86_64-linux";

  # A flake's outputs, with itself among its inputs.
  call =
    place: flake: inputs:
    let
      self = flake.outputs (inputs // { inherit self; }) // {
        outPath = place;
        inherit inputs;
      };
    in
    self;

  real =
    let
      tree = call nixpkgs (import (nixpkgs + "/flake.nix")) { };
      agentvm = call (toString ../..) (import ../../flake.nix) { nixpkgs = tree; };
      pkgs = tree.legacyPackages.${system};
      agents.packages.${system} = {
        default = agents.packages.${system}.codex;
      }
      // builtins.listToAttrs (
        map
          (name: {
            inherit name;
            value = pkgs.writeShellScriptBin name "";
          })
          [
            "codex"
            "claude-code"
          ]
      );
    in
    {
      inherit pkgs agentvm;
      inherit (tree) lib;
      inputs = {
        nixpkgs = tree;
        inherit agentvm;
        codex-cli-nix = agents;
        llm-agents = agents;
        microvm = call microvm (import (microvm + "/flake.nix")) {
          nixpkgs = tree;
          spectrum = "";
        };
      };
      nixos =
        modules:
        (tree.lib.nixosSystem {
          specialArgs = { inherit (real) inputs; };
          modules = modules ++ [
            {
              nixpkgs.hostPlatform = system;
              boot.isContainer = true;
              system.stateVersion = tree.lib.trivial.release;
            }
          ];
        }).config;
      home =
        _: modules:
        (import (homeManager + "/modules") {
          inherit pkgs;
          configuration.imports = modules ++ [
            {
              home.username = "alice";
              home.homeDirectory = "/home/alice";
              home.stateVersion = tree.lib.trivial.release;
            }
          ];
        }).config;
    };

  world = if nixpkgs == null then made // { inherit (made.world) agentvm; } else real;
  inherit (world) lib agentvm;

  failed =
    config: map (one: one.message) (builtins.filter (one: !one.assertion) config.assertions or [ ]);
  # What Codex's file is made of (nixpkgs, pkgs/pkgs-lib/formats.nix), without a build; null where there is none.
  codexOf = config: config.environment.etc."codex/config.toml".source.value or null;

  # What the modules put below a directory of etc or of the home.
  below = start: files: builtins.filter (lib.hasPrefix start) (builtins.attrNames files);

  # The made-up module system throws for an option that nobody sets; `all` has the others, and can be looked at whole.
  configOf = vm: if nixpkgs == null then forced vm.all else vm.config;
  forced = config: if nixpkgs == null then builtins.deepSeq config config else config;

  machine =
    vm:
    let
      config = configOf vm;
    in
    {
      failed = failed config ++ config.refused or [ ];
      inherit (config.agentvm.manifest.tools) agent;
      # All of the system, named by its derivation and not built.
      system = builtins.unsafeDiscardStringContext (
        if nixpkgs == null then "${config.agentvm.image}" else config.system.build.toplevel.drvPath
      );
      codex = codexOf config;
    };

  profileScript =
    config:
    (import ../../nixos-module/profiles.nix { inherit (world) lib pkgs; }).directory
      config.programs.agentvm.package
      config.programs.agentvm.profiles;
in
{
  definitions = map (
    directory:
    let
      flake = import (directory + "/flake.nix");
      outputs = call directory flake (builtins.intersectAttrs flake.inputs world.inputs);
    in
    machine (builtins.head (builtins.attrValues outputs.nixosConfigurations))
  ) (if nixpkgs != null && microvm == "" then [ ] else definitions);

  flakes = map (
    directory:
    let
      flake = import (directory + "/flake.nix");
      outputs = call directory flake (builtins.intersectAttrs flake.inputs world.inputs);
      config = configOf (builtins.head (builtins.attrValues outputs.nixosConfigurations));
    in
    {
      failed = failed config;
      packages = map (package: package.name) config.environment.systemPackages or [ ];
    }
  ) flakes;

  hosts = map (
    file:
    let
      config = forced (
        world.nixos [
          agentvm.nixosModules.default
          agentvm.nixosModules.codex
          file
        ]
      );
    in
    {
      failed = failed config;
      files = below "agentvm/" config.environment.etc ++ below "codex/" config.environment.etc;
      codex = codexOf config;
      pools = config.environment.etc."agentvm/pools.toml".source.value or null;
      pool = config.systemd.services.agentvm-pool.serviceConfig or null;
      slice = config.systemd.slices.agentvm.sliceConfig or null;
      vms = builtins.mapAttrs (_: unit: { inherit (unit) unitConfig serviceConfig; }) (
        lib.filterAttrs (name: _: lib.hasPrefix "agentvm-vm-" name) (config.systemd.user.services or { })
      );
      inherit (config.programs.agentvm) profiles;
      script = if nixpkgs == null then (profileScript config).script else "";
    }
  ) hosts;

  homes = lib.concatLists (
    map
      (
        codex:
        map (
          file:
          let
            config = world.home codex [
              agentvm.homeModules.default
              file
            ];
          in
          {
            failed = failed config;
            files = below "agentvm/" config.xdg.configFile ++ below ".codex/" (config.home.file or { });
            settings =
              if codex then
                config.programs.codex.settings
              else
                config.home.file.".codex/config.toml".source.value;
            context = if codex then config.programs.codex.context else config.home.file.".codex/AGENTS.md".text;
            inherit (config.programs.agentvm) profiles;
          }
        ) homes
      )
      (
        if nixpkgs == null then
          [
            true
            false
          ]
        else
          lib.optional (homeManager != "") true
      )
  );
}
