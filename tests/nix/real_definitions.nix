# real_definitions.nix - what the real NixOS and microvm.nix make of definitions: their builds, complaints and manifests.
{ cases, ... }@request:
let
  world = import ./real_world.nix request;
in
builtins.mapAttrs (
  _: directory:
  let
    outputs = world.outputsOf directory;
    inherit (world.machineOf outputs) config;
    unit = name: config.systemd.units.${name};
  in
  {
    toplevel = config.system.build.toplevel.drvPath;
    image = outputs.packages.${world.system}.default.drvPath;
    runner = outputs.packages.${world.system}.runner.drvPath;
    failed = map (one: one.message) (builtins.filter (one: !one.assertion) config.assertions);
    inherit (config) warnings;
    inherit (config.agentvm) manifest;
    inherit (config.networking) hostName;
    hypervisor = config.microvm.hypervisor;
    user = {
      inherit (config.users.users.${config.agentvm.user}) uid home extraGroups;
    };
    mounts = builtins.mapAttrs (_: mount: {
      inherit (mount)
        device
        fsType
        options
        neededForBoot
        ;
    }) config.fileSystems;
    packages = map (package: package.name) config.environment.systemPackages;
    service = (unit "agentvm-guest.service").text;
    masked = builtins.filter (name: !(unit name).enable) [
      "getty@tty1.service"
      "autovt@tty1.service"
    ];
    initrdModules = config.boot.initrd.kernelModules ++ config.boot.initrd.availableKernelModules;
    gitconfig = config.environment.etc.gitconfig.text;
    sudoers = config.security.sudo.configFile;
    networks = builtins.mapAttrs (_: file: file.text) config.systemd.network.units;
  }
) cases
