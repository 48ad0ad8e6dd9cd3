# program.nix - programs.agentvm: the program for all users of a NixOS host, and profiles in /etc/agentvm/profiles.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.programs.agentvm;
  profiles = import ./profiles.nix { inherit lib pkgs; };
  directory = profiles.directory (if cfg.checkProfiles then cfg.package else null) cfg.profiles;
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
  };

  config = lib.mkIf cfg.enable {
    assertions = profiles.assertions "programs.agentvm.profiles" cfg.profiles;
    environment.systemPackages = [ cfg.package ];
    environment.etc = lib.mapAttrs' (
      name: _: lib.nameValuePair "agentvm/profiles/${name}.toml" { source = "${directory}/${name}.toml"; }
    ) cfg.profiles;
  };
}
