# options.nix - what a definition says of its agent: options.agentvm.
{ lib, ... }:
{
  options.agentvm = {
    package = lib.mkOption {
      type = lib.types.package;
      description = "The package of agentvm-guest, static.";
    };

    user = lib.mkOption {
      type = lib.types.str;
      default = "agent";
      description = "The agent's account (uid 1000). sudo asks it for no password.";
    };

    workspace = lib.mkOption {
      type = lib.types.path;
      default = "/workspace";
      description = "Where the share `workspace` is mounted.";
    };

    agent.package = lib.mkOption {
      type = lib.types.nullOr lib.types.package;
      default = null;
      description = "The agent. null: agentvm brings one from the host, or runs a command.";
    };

    agent.environment = lib.mkOption {
      type = lib.types.attrsOf lib.types.str;
      default = { };
      description = "Variables of login shells. What agentvm itself starts is given its own by agentvm.";
    };

    codex.config = lib.mkOption {
      type = lib.types.nullOr lib.types.path;
      default = null;
      description = "~/.codex/config.toml, copied so that Codex can write to it.";
    };

    agent.guidance = lib.mkOption {
      type = lib.types.str;
      default = ".codex/AGENTS.md";
      example = ".claude/CLAUDE.md";
      description = "Where the agent looks for guidance that holds in every project, below its home: `agentsMd` goes there.";
    };

    agentsMd = lib.mkOption {
      type = lib.types.nullOr lib.types.path;
      default = null;
      description = "Guidance for the agent, copied to `agent.guidance` so that the agent can write to it.";
    };

    manifest = lib.mkOption {
      type = lib.types.attrsOf lib.types.anything;
      readOnly = true;
      description = "What agentvm boots and where things are inside; manifest.json of `agentvm.image`.";
    };

    image = lib.mkOption {
      type = lib.types.package;
      readOnly = true;
      description = "manifest.json, and microvm.nix's runner. A GC root on it keeps all that the manifest names.";
    };
  };
}
