# codex-settings.nix - what the modules for NixOS and for Home Manager say of Codex alike: options, and the settings they make.
{ lib, pkgs }:
let
  toml = pkgs.formats.toml { };

  server = lib.types.submodule {
    freeformType = toml.type;
    options = {
      command = lib.mkOption {
        type = lib.types.nullOr lib.types.str;
        default = null;
        example = lib.literalExpression "lib.getExe pkgs.mcp-nixos";
        description = "The program of a server that Codex starts and speaks to over its stdin and stdout.";
      };
      args = lib.mkOption {
        type = lib.types.listOf lib.types.str;
        default = [ ];
        description = "Arguments of `command`.";
      };
      env = lib.mkOption {
        type = lib.types.attrsOf lib.types.str;
        default = { };
        example = {
          FASTMCP_CHECK_FOR_UPDATES = "off";
        };
        description = "Variables of `command`. They end up in the world-readable Nix store: no secrets.";
      };
      url = lib.mkOption {
        type = lib.types.nullOr lib.types.str;
        default = null;
        example = "https://mcp.example.org/mcp";
        description = "The address of a server that is reached over HTTP.";
      };
    };
  };

  # TOML has no null, and an empty list of arguments would stand in the way of another layer's.
  said = lib.filterAttrs (
    _: value:
    !builtins.elem value [
      null
      [ ]
      { }
    ]
  );
in
{
  inherit toml;

  options = {
    settings = lib.mkOption {
      # A set at the top, where toml.type would take any value.
      type = lib.types.attrsOf toml.type;
      default = { };
      example = {
        model_reasoning_effort = "high";
        web_search = "disabled";
      };
      description = "Keys of Codex's config.toml, as <https://developers.openai.com/codex/config-reference> lists them.";
    };

    mcpServers = lib.mkOption {
      type = lib.types.attrsOf server;
      default = { };
      example = lib.literalExpression ''
        {
          nixos.command = lib.getExe pkgs.mcp-nixos;
        }
      '';
      description = ''
        MCP servers, by name: `mcp_servers` of config.toml. Each has either `command` or `url`; every other key of Codex's
        is taken too, such as `startup_timeout_sec`, `enabled_tools` or `default_tools_approval_mode`.
      '';
    };

    context = lib.mkOption {
      type = lib.types.either lib.types.lines lib.types.path;
      default = "";
      example = lib.literalExpression "./AGENTS.md";
      description = "Guidance for Codex in every project, as text or as a file of it.";
    };
  };

  # `at` is where the options are, for the messages.
  assertions =
    at: cfg:
    lib.mapAttrsToList (name: value: {
      assertion = (value.command == null) != (value.url == null);
      message = "${at}.mcpServers.${name} must have either `command` or `url`.";
    }) cfg.mcpServers
    ++ [
      {
        assertion = !(cfg.settings ? mcp_servers) || cfg.mcpServers == { };
        message = "${at}.settings.mcp_servers and ${at}.mcpServers are both set; put all servers into the latter.";
      }
    ];

  # settings and mcpServers as one set; guidance is each module's own.
  merged =
    cfg:
    cfg.settings
    // lib.optionalAttrs (cfg.mcpServers != { }) {
      mcp_servers = lib.mapAttrs (_: said) cfg.mcpServers;
    };
}
