# home-manager.nix - programs.agentvm in Home Manager: the program, the user's own profiles, and Codex's configuration.
{
  config,
  lib,
  options,
  pkgs,
  ...
}:
let
  cfg = config.programs.agentvm;
  profiles = import ./profiles.nix { inherit lib pkgs; };
  codex = import ./codex-settings.nix { inherit lib pkgs; };
  directory = profiles.directory (if cfg.checkProfiles then cfg.package else null) cfg.profiles;
  settings = codex.merged cfg.codex;
  hasContext = cfg.codex.context != "";

  # Where Home Manager has a module for Codex, that one writes the files: it knows where they belong
  # (home.preferXdgDirectories), and merges this with what the user says there.
  through = {
    programs.codex = {
      enable = true;
      package = lib.mkDefault cfg.codex.package;
      inherit settings;
      context = lib.mkIf hasContext cfg.codex.context;
    };
  };
  alone = {
    home.packages = lib.optional (cfg.codex.package != null) cfg.codex.package;
    home.file.".codex/config.toml" = lib.mkIf (settings != { }) {
      source = codex.toml.generate "codex-config.toml" settings;
    };
    home.file.".codex/AGENTS.md" = lib.mkIf hasContext (
      if builtins.isString cfg.codex.context then
        { text = cfg.codex.context; }
      else
        { source = cfg.codex.context; }
    );
  };
in
{
  options.programs.agentvm = profiles.options // {
    enable = lib.mkEnableOption "agentvm, which runs coding agents in virtual machines";

    package = lib.mkOption {
      type = lib.types.package;
      default = pkgs.agentvm;
      defaultText = lib.literalExpression "pkgs.agentvm";
      description = "The agentvm package.";
    };

    codex = codex.options // {
      enable = lib.mkEnableOption ''
        the configuration of Codex on this machine by the options below: through `programs.codex` where this Home Manager
        has it, else by ~/.codex/config.toml and ~/.codex/AGENTS.md. A guest does not see it'';

      package = lib.mkPackageOption pkgs "codex" { nullable = true; };
    };
  };

  config = lib.mkIf cfg.enable (
    lib.mkMerge [
      {
        assertions = profiles.assertions "programs.agentvm.profiles" cfg.profiles;
        home.packages = [ cfg.package ];
        # One link for each, so that profiles written by hand may lie beside them.
        xdg.configFile = lib.mapAttrs' (
          name: _: lib.nameValuePair "agentvm/profiles/${name}.toml" { source = "${directory}/${name}.toml"; }
        ) cfg.profiles;
      }
      (lib.mkIf cfg.codex.enable {
        assertions = codex.assertions "programs.agentvm.codex" cfg.codex;
      })
      (lib.mkIf cfg.codex.enable (if options.programs ? codex then through else alone))
    ]
  );
}
