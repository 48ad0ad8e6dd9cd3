# agents.nix - what services.agentvm gives a host's users to work with: profiles, agents, a configuration of Codex.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.services.agentvm;
  profiles = import ./profiles.nix { inherit lib pkgs; };
  codex = import ./codex-settings.nix { inherit lib pkgs; };
  missing = lib.filter (name: !(cfg.agentPackages ? ${name})) cfg.agents;
in
{
  options.services.agentvm = {
    inherit (profiles.options) profiles;

    agents = lib.mkOption {
      type = lib.types.listOf lib.types.str;
      default = [ ];
      example = [
        "codex"
        "claude-code"
      ];
      description = "Agents for the host's users, by their names in `agentPackages`. `agentvm run` starts Codex alone today.";
    };

    agentPackages = lib.mkOption {
      type = lib.types.raw;
      default = pkgs;
      defaultText = lib.literalExpression "pkgs";
      example = lib.literalExpression "inputs.llm-agents.packages.\${pkgs.stdenv.hostPlatform.system}";
      description = "A set of packages that `agents` are taken from.";
    };

    codex = {
      enable = lib.mkOption {
        type = lib.types.bool;
        default = false;
        description = ''
          Whether all users start from a configuration of Codex with the server of mcp-nixos: `programs.codex`, without its
          package, which `agents` names. No guest sees it.
        '';
      };
      inherit (codex.options) settings;
    };
  };

  config = lib.mkIf cfg.enable {
    assertions = [
      {
        assertion = missing == [ ];
        message = "services.agentvm.agents names ${lib.concatStringsSep ", " missing}, which services.agentvm.agentPackages does not have.";
      }
    ];
    environment.systemPackages = map (name: cfg.agentPackages.${name}) (
      lib.filter (name: cfg.agentPackages ? ${name}) cfg.agents
    );
    programs.agentvm = lib.mkIf (cfg.profiles != { }) {
      enable = true;
      inherit (cfg) profiles;
    };
    programs.codex = lib.mkIf cfg.codex.enable {
      enable = true;
      package = lib.mkDefault null;
      inherit (cfg.codex) settings;
      mcpServers.nixos.command = lib.mkDefault (lib.getExe pkgs.mcp-nixos);
    };
  };
}
