# vms.nix - services.agentvm.vms: VMs with a workspace each, which run as units of their users.
#
# The users' own units, started at boot (linger), and not the system's: so the VM is where its user's `agentvm ls`, `logs`
# and `exec` look, its files are theirs, and the model's key is one that they can read (model.key.file of the profile).
{ config, lib, ... }:
let
  cfg = config.services.agentvm;

  # A word of ExecStart=, as utils.escapeSystemdExecArg of nixpkgs (nixos/lib/utils.nix) writes it.
  word = value: builtins.replaceStrings [ "%" "$" ] [ "%%" "$$" ] (builtins.toJSON (toString value));

  wordsOf =
    name: vm:
    [
      "${cfg.package}/bin/agentvm"
      "run"
      "--name"
      name
      "--profile"
      vm.profile
    ]
    ++ lib.optionals (vm.pool != null) [
      "--pool"
      vm.pool
    ]
    ++ lib.optionals (vm.prompt != null) [
      "-p"
      vm.prompt
    ]
    ++ [ vm.workspace ]
    ++ lib.optionals (vm.command != [ ]) (
      [
        "--command"
        "--"
      ]
      ++ vm.command
    );

  unit = name: vm: {
    description = "agentvm's VM ${name}";
    wantedBy = [ "default.target" ];
    # Every user's manager has the unit, one starts it.
    unitConfig.ConditionUser = vm.user;
    serviceConfig = {
      ExecStart = lib.concatStringsSep " " (map word (wordsOf name vm));
      Restart = vm.restart;
      RestartSec = 5;
      # The run ends its VM; what it leaves after a time is killed with the unit, and removed by the next `agentvm gc`.
      KillMode = "mixed";
    };
  };
in
{
  options.services.agentvm.vms = lib.mkOption {
    default = { };
    example = lib.literalExpression ''
      {
        tests = {
          user = "alice";
          workspace = "/home/alice/my-app";
          command = [ "make" "test" ];
        };
      }
    '';
    description = ''
      VMs that run as user units `agentvm-vm-NAME.service` from boot on, by name: `agentvm run` of that user, who sees them with
      `agentvm ls`. Each has either a `command` or a `prompt`.
    '';
    type = lib.types.attrsOf (
      lib.types.submodule {
        options = {
          user = lib.mkOption {
            type = lib.types.str;
            description = "Whose VM it is, with their rights. Their units start without a login (`users.users.NAME.linger`).";
          };
          workspace = lib.mkOption {
            type = lib.types.str;
            description = "The directory that it works in, an absolute path.";
          };
          profile = lib.mkOption {
            type = lib.types.str;
            default = "default";
            description = "Its profile.";
          };
          pool = lib.mkOption {
            type = lib.types.nullOr lib.types.str;
            default = null;
            description = "A pool to take it from, where that has one.";
          };
          prompt = lib.mkOption {
            type = lib.types.nullOr lib.types.str;
            default = null;
            description = "The task for the agent.";
          };
          command = lib.mkOption {
            type = lib.types.listOf lib.types.str;
            default = [ ];
            description = "A command in the place of the agent.";
          };
          restart = lib.mkOption {
            type = lib.types.enum [
              "no"
              "on-failure"
              "always"
            ];
            default = "no";
            description = "Whether another VM takes its place when it has ended.";
          };
        };
      }
    );
  };

  config = lib.mkIf (cfg.enable && cfg.vms != { }) {
    assertions = lib.concatLists (
      lib.mapAttrsToList (name: vm: [
        {
          assertion = builtins.match "[a-z0-9][a-z0-9-]{0,40}" name != null;
          message = "services.agentvm.vms.${name}: a VM's name must be 1 to 41 small letters, digits and '-', and not begin with '-'.";
        }
        {
          assertion = lib.hasPrefix "/" vm.workspace;
          message = "services.agentvm.vms.${name}.workspace is \"${vm.workspace}\"; it must be an absolute path.";
        }
        {
          assertion = (vm.prompt != null) != (vm.command != [ ]);
          message = "services.agentvm.vms.${name} must have either a `command` or a `prompt`.";
        }
      ]) cfg.vms
    );
    systemd.user.services = lib.mapAttrs' (
      name: vm: lib.nameValuePair "agentvm-vm-${name}" (unit name vm)
    ) cfg.vms;
    users.users = lib.mapAttrs' (
      _: vm: lib.nameValuePair vm.user { linger = lib.mkDefault true; }
    ) cfg.vms;
  };
}
