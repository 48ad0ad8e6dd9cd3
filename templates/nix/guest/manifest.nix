# manifest.nix - what agentvm reads of a built guest: manifest.json, and the image that holds it.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.agentvm;
  account = config.users.users.${cfg.user};
  # Without a reference to the system where the store is a disk that holds it already (as microvm.nix does).
  toplevel =
    if config.microvm.storeOnDisk then
      builtins.unsafeDiscardStringContext "${config.system.build.toplevel}"
    else
      "${config.system.build.toplevel}";
  inherit (config.microvm) kernel;
  isX86 = pkgs.stdenv.hostPlatform.system == "x86_64-linux";
  # The kernel's own word since NixOS 26.11, the platform's before (nixpkgs, doc/release-notes/rl-2611.section.md).
  kernelTarget = kernel.target or pkgs.stdenv.hostPlatform.linux-kernel.target;
in
{
  agentvm.manifest = {
    version = 1;
    name = config.networking.hostName;
    system = pkgs.stdenv.hostPlatform.system;
    kernel = {
      # cloud-hypervisor takes the ELF file, QEMU what a boot loader takes.
      elf = if isX86 then "${kernel.dev}/vmlinux" else null;
      image = "${kernel}/${kernelTarget}";
      version = kernel.modDirVersion;
    };
    initrd = "${config.microvm.initrdPath}";
    kernel_params = config.microvm.kernelParams;
    init = "${toplevel}/init";
    store = {
      kind = if config.microvm.storeOnDisk then "disk" else "share";
      disk = if config.microvm.storeOnDisk then "${config.microvm.storeDisk}" else null;
      writable = config.microvm.writableStoreOverlay != null;
    };
    user = {
      name = cfg.user;
      inherit (account) home uid;
      inherit (config.users.groups.${cfg.user}) gid;
    };
    workspace = cfg.workspace;
    tools = {
      agent = if cfg.agent.package == null then null else lib.getExe cfg.agent.package;
      shell = "${pkgs.bashInteractive}/bin/bash";
      sudo = "/run/wrappers/bin/sudo";
    };
    # What a login shell has (environment.profiles of NixOS): `nix profile install` is found either way.
    path = lib.concatMapStringsSep ":" (place: "${place}/bin") [
      "/run/wrappers"
      "${account.home}/.nix-profile"
      "${account.home}/.local/state/nix/profile"
      "/etc/profiles/per-user/${cfg.user}"
      "/nix/var/nix/profiles/default"
      "/run/current-system/sw"
    ];
  };

  agentvm.image = pkgs.linkFarm "agentvm-${config.networking.hostName}" [
    {
      name = "manifest.json";
      path = pkgs.writeText "manifest.json" (builtins.toJSON cfg.manifest);
    }
    {
      name = "runner";
      path = config.microvm.declaredRunner;
    }
  ];
}
