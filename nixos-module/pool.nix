# pool.nix - services.agentvm.pools: VMs that are booted already, for the group agentvm, by one hardened service.
#
# The service has no key, and no option for one: a key is its caller's, whose own run reads it (model.key). /dev/kvm needs
# nothing here either: systemd's 50-udev-default.rules gives it to the group kvm, which NixOS makes
# (nixos/modules/config/users-groups.nix); KVM's modules are hardware-configuration.nix's; vhost_vsock is not used.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.services.agentvm;
  toml = pkgs.formats.toml { };
  known = config.programs.agentvm.profiles;
  builtIn = map (name: lib.removeSuffix ".toml" name) (
    builtins.attrNames (builtins.readDir ../templates/profiles)
  );
  size = lib.types.strMatching "[0-9]+[KMGT](iB)?";
  optional =
    type: attributes:
    lib.mkOption (
      {
        type = lib.types.nullOr type;
        default = null;
      }
      // attributes
    );
  said = lib.filterAttrs (_: value: value != null);

  # guest.image of a profile, or of what it extends among those that the host has.
  imageOf =
    depth: name:
    let
      profile = known.${name} or { };
    in
    profile.guest.image
      or (if depth == 0 || !(profile ? extends) then null else imageOf (depth - 1) profile.extends);

  file = toml.generate "pools.toml" (
    {
      boots_at_once = cfg.bootsAtOnce;
      vms_per_user = cfg.vmsPerUser;
      pools = lib.mapAttrs (
        _: pool:
        said {
          inherit (pool) profile size;
          max_age = pool.maxAge;
          memory_max = pool.memoryMax;
          cpu_weight = pool.cpuWeight;
        }
      ) cfg.pools;
    }
    // said { memory_per_user = cfg.memoryPerUser; }
  );

  socket = "/run/agentvm-pool/pool.sock";
  isPath = lib.hasInfix "/";
  isKnown = name: known ? ${name} || builtins.elem name builtIn;
  ownMetrics = cfg.metricsFile == null || lib.hasPrefix "/run/agentvm-pool/" cfg.metricsFile;

  assertionsOf =
    name: pool:
    let
      at = "services.agentvm.pools.${name}";
    in
    [
      {
        assertion = builtins.match "[a-z0-9][a-z0-9-]{0,23}" name != null;
        message = "${at}: a pool's name must be 1 to 24 small letters, digits and '-', and not begin with '-'.";
      }
      {
        assertion = isPath pool.profile || isKnown pool.profile;
        message = "${at}.profile is \"${pool.profile}\", which is no profile of this host: ${
          lib.concatStringsSep ", " (lib.unique (builtins.attrNames known ++ builtIn))
        }.";
      }
      {
        assertion = !isPath pool.profile || lib.hasPrefix "/" pool.profile;
        message = "${at}.profile is \"${pool.profile}\"; a path must be absolute.";
      }
      {
        # The host's own /usr is no system on NixOS, and the service has neither a network nor Nix to build one.
        assertion = !isKnown pool.profile || imageOf 20 pool.profile != null;
        message = "${at}: the profile \"${pool.profile}\" has no guest.image, and a pool boots nothing else on NixOS; set it to what agentvm.lib.mkGuest makes.";
      }
    ];
in
{
  options.services.agentvm = {
    pools = lib.mkOption {
      default = { };
      example = lib.literalExpression ''
        {
          work = {
            size = 2;
            maxAge = "12h";
          };
        }
      '';
      description = "Pools for `agentvm run --pool NAME`, by name; docs/pool.md says what they are.";
      type = lib.types.attrsOf (
        lib.types.submodule (
          { name, ... }:
          {
            options = {
              profile = lib.mkOption {
                type = lib.types.str;
                default = name;
                defaultText = lib.literalExpression "the pool's own name";
                description = "The profile of its VMs. It must have `guest.image`.";
              };
              size = lib.mkOption {
                type = lib.types.ints.between 0 1000;
                default = 1;
                description = "How many idle VMs to keep.";
              };
              maxAge = optional (lib.types.strMatching "([0-9]+(ms|s|m|h|d))+") {
                example = "6h";
                description = "An idle VM that is older is replaced; `null`: never.";
              };
              memoryMax = optional size {
                example = "5GiB";
                description = "What each of its VMs may have of the host's memory, VMM and file server included; `null`: no limit.";
              };
              cpuWeight = optional (lib.types.ints.between 1 10000) {
                example = 50;
                description = "Its VMs' share of the processors beside others' of the service; `null`: the kernel's 100.";
              };
            };
          }
        )
      );
    };

    bootsAtOnce = lib.mkOption {
      type = lib.types.ints.between 1 64;
      default = 2;
      description = "How many VMs of all pools together boot at once.";
    };

    vmsPerUser = lib.mkOption {
      type = lib.types.ints.between 0 10000;
      default = 16;
      description = "How many VMs of all pools one user may have at once; 0: no limit.";
    };

    memoryPerUser = optional size {
      example = "32GiB";
      description = "Memory of those together; `null`: no limit.";
    };

    metricsFile = optional lib.types.str {
      example = "/run/agentvm-pool/metrics.prom";
      description = ''
        A file of the pools' figures as OpenMetrics text, readable by everybody. Outside of /run/agentvm-pool its directory must
        be there already, and belong to the user agentvm-pool.
      '';
    };

    slice = {
      memoryMax = optional lib.types.str {
        example = "48G";
        description = "What the pools' VMs may have of the host's memory all together: MemoryMax= of agentvm.slice.";
      };
      cpuWeight = optional (lib.types.ints.between 1 10000) {
        example = 50;
        description = "Their share of the processors beside the rest of the host: CPUWeight= of agentvm.slice.";
      };
    };
  };

  config = lib.mkIf (cfg.enable && cfg.pools != { }) {
    assertions = lib.concatLists (lib.mapAttrsToList assertionsOf cfg.pools) ++ [
      {
        assertion = cfg.metricsFile == null || lib.hasPrefix "/" cfg.metricsFile;
        message = "services.agentvm.metricsFile is \"${toString cfg.metricsFile}\"; it must be an absolute path.";
      }
    ];

    users.users.agentvm-pool = {
      isSystemUser = true;
      group = "agentvm-pool";
      home = "/var/lib/agentvm-pool";
      description = "Pools of agentvm's VMs";
    };
    users.groups.agentvm-pool = { };

    environment.etc."agentvm/pools.toml".source = file;

    systemd.slices.agentvm = {
      description = "VMs of agentvm's pools";
      sliceConfig = said {
        MemoryMax = cfg.slice.memoryMax;
        CPUWeight = cfg.slice.cpuWeight;
      };
    };

    # One for all pools: what one user may have, and how many boot at once, is counted over all of them.
    systemd.services.agentvm-pool = {
      description = "Pools of booted VMs for agentvm";
      wantedBy = [ "multi-user.target" ];
      # Idle VMs outlive a restart, so it costs nobody anything.
      restartTriggers = [ file ];
      serviceConfig = import ./pool-hardening.nix // {
        ExecStart = lib.escapeShellArgs (
          [
            "${cfg.package}/libexec/agentvm/agentvm-poold"
            "--config"
            "/etc/agentvm/pools.toml"
            "--socket"
            socket
            "--group"
            "agentvm"
            "--cgroup"
          ]
          ++ lib.optionals (cfg.metricsFile != null) [
            "--metrics"
            cfg.metricsFile
          ]
        );
        # After kill -9 too: systemd starts nobody in a cgroup whose controllers were given to children.
        ExecStopPost = "-${cfg.package}/libexec/agentvm/agentvm-poold --release-cgroup";
        Restart = "on-failure";
        Slice = "agentvm.slice";
        ReadWritePaths = lib.optional (!ownMetrics) (builtins.dirOf cfg.metricsFile);
      };
    };
  };
}
