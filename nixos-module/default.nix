# default.nix - services.agentvm, the host's side.
{
  config,
  lib,
  ...
}:
let
  cfg = config.services.agentvm;
in
{
  options.services.agentvm = {
    enable = lib.mkOption {
      type = lib.types.bool;
      default = false;
      description = "Whether to install agentvm for every user.";
    };

    package = lib.mkOption {
      type = lib.types.package;
      description = "The package of agentvm.";
    };
  };

  config = lib.mkIf cfg.enable {
    environment.systemPackages = [ cfg.package ];
  };
}
