# host_world.nix - world.nix made wider by what the modules for hosts and homes use: formats, more of lib, more options.
#
# A stand-in says what nixpkgs at 7beb50e (2026-07-14) and Home Manager at ec1a8fd (2026-08-22) say.
let
  world = import ./world.nix { };
  system = "x86_64-linux";
  plain = world.lib;

  types = plain.types // {
    # nixpkgs, lib/types.nix: with a freeformType, keys that no option is declared for are taken by it.
    submodule =
      declared:
      if builtins.isAttrs declared && declared ? freeformType then
        {
          description = "submodule";
          composite = true;
          check = builtins.isAttrs;
          merge =
            loc: defs:
            let
              part = f: map (def: def // { value = f def.value; }) defs;
            in
            plain.types.anything.merge loc (
              part (value: removeAttrs value (builtins.attrNames declared.options))
            )
            // (plain.types.submodule { inherit (declared) options; }).merge loc (
              part (builtins.intersectAttrs declared.options)
            );
        }
      else
        plain.types.submodule declared;
  };

  lib = plain // {
    inherit types;
    inherit (builtins)
      all
      concatLists
      concatStringsSep
      filter
      mapAttrs
      ;
    concatMapStrings = f: values: plain.concatStrings (map f values);
    filterAttrs =
      keep: attributes:
      removeAttrs attributes (
        builtins.filter (name: !keep name attributes.${name}) (builtins.attrNames attributes)
      );
    hasInfix = part: text: builtins.replaceStrings [ part ] [ "" ] text != text;
    removeSuffix =
      end: text:
      let
        length = builtins.stringLength text - builtins.stringLength end;
      in
      if length >= 0 && builtins.substring length (-1) text == end then
        builtins.substring 0 length text
      else
        text;
    hasPrefix = start: text: builtins.substring 0 (builtins.stringLength start) text == start;
    mapAttrs' = f: attributes: builtins.listToAttrs (plain.mapAttrsToList f attributes);
    optionalAttrs = condition: attributes: if condition then attributes else { };
    mkEnableOption =
      name:
      plain.mkOption {
        type = types.bool;
        default = false;
        description = "Whether to enable ${name}.";
      };
    mkPackageOption =
      pkgs: name:
      {
        nullable ? false,
        extraDescription ? "",
      }:
      plain.mkOption {
        type = (if nullable then types.nullOr else (type: type)) types.package;
        default = pkgs.${name};
        description = "The ${name} package to use. ${extraDescription}";
      };
  };

  derivation =
    name: attributes:
    {
      type = "derivation";
      inherit name;
      outPath = "/nix/store/00000000000000000000000000000000-${name}";
    }
    // attributes;

  pkgs = world.nixpkgs.legacyPackages.${system} // {
    inherit lib;
    mcp-nixos = derivation "mcp-nixos" { meta.mainProgram = "mcp-nixos"; };
    formats.toml = _: {
      type = types.anything;
      generate = name: value: derivation name { inherit value; };
    };
    runCommandLocal =
      name: attributes: script:
      derivation name { script = builtins.seq attributes script; };
  };

  inherit (import ./options.nix { inherit lib; }) modulesOf;
  file = [
    "submodule"
    {
      source = "anything";
      text = "lines";
    }
  ];
  files = [
    "attrsOf"
    file
  ];

  evaluate =
    table: modules: specialArgs:
    lib.evalModules {
      modules = modulesOf table ++ modules;
      specialArgs = specialArgs // {
        inherit lib pkgs;
      };
    };

  nixosSystem =
    {
      modules,
      specialArgs ? { },
      ...
    }:
    evaluate ({ "environment.etc" = files; } // import ./nixos_options.nix) (
      [
        # nixos/modules/services/networking/firewall-nftables.nix, the option's default.
        { networking.firewall.filterForward = lib.mkOverride 1500 false; }
      ]
      ++ modules
    ) specialArgs;
in
{
  inherit world lib pkgs;

  # What a definition, or a flake for a host, takes.
  inputs = world.inputs // {
    nixpkgs = {
      lib = lib // {
        inherit nixosSystem;
      };
      legacyPackages.${system} = pkgs;
    };
  };

  nixos =
    modules:
    (nixosSystem {
      inherit modules;
      specialArgs = { inherit (world) inputs; };
    }).all;

  # Of Home Manager what its own programs.codex takes, or without that.
  home =
    codex: modules:
    (evaluate (
      {
        assertions = [
          "listOf"
          "anything"
        ];
        "home.packages" = [
          "listOf"
          "package"
        ];
        "home.file" = files;
        "xdg.configFile" = files;
      }
      // lib.optionalAttrs codex {
        "programs.codex.enable" = "bool";
        "programs.codex.package" = [
          "nullOr"
          "package"
        ];
        "programs.codex.settings" = "anything";
        "programs.codex.context" = [
          "either"
          "lines"
          "path"
        ];
      }
    ) modules { }).all;
}
