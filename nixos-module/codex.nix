# codex.nix - programs.codex: Codex, and the configuration that all users of a NixOS machine start from.
#
# Codex reads /etc/codex/config.toml below ~/.codex/config.toml, key by key, so a user's own file wins
# (tests/model/codex_layers_test.py). On a host that is everybody's default. In an agentvm guest (guest.modules) it adds to what
# agentvm writes into the agent's home.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.programs.codex;
  codex = import ./codex-settings.nix { inherit lib pkgs; };
  text = if builtins.isString cfg.context then cfg.context else builtins.readFile cfg.context;
  settings =
    codex.merged cfg
    # Codex looks for no AGENTS.md in /etc; this key is what it gives its model beside those of the home and the project.
    // lib.optionalAttrs (text != "") { developer_instructions = text; };
in
{
  options.programs.codex = codex.options // {
    enable = lib.mkEnableOption "Codex, a coding agent for the terminal, with a configuration for all users";

    package = lib.mkPackageOption pkgs "codex" {
      nullable = true;
      extraDescription = "`null` installs none, as in an agentvm guest, which has `agentvm.agent.package`.";
    };
  };

  config = lib.mkIf cfg.enable {
    assertions = codex.assertions "programs.codex" cfg ++ [
      {
        assertion = !(cfg.settings ? developer_instructions) || text == "";
        message = "programs.codex.context becomes developer_instructions, which programs.codex.settings sets too; set one of them.";
      }
      {
        # "${./AGENTS.md}" is text, too: the name of a file.
        assertion = !lib.hasPrefix builtins.storeDir text;
        message = "programs.codex.context is a string with the path of a file; give the path itself, without quotes.";
      }
    ];

    environment.systemPackages = lib.optional (cfg.package != null) cfg.package;
    environment.etc."codex/config.toml" = lib.mkIf (settings != { }) {
      source = codex.toml.generate "codex-config.toml" settings;
    };
  };
}
