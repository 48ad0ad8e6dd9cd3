# world.nix - the inputs of a definition, made up: nixpkgs with a few packages, NixOS's and microvm.nix's options, agents.
#
# A stand-in says what the real ones say, with the place it was read at. nixpkgs is that of NixOS 26.11 as
# github:neg-serg/nixpkgs-slim has it at 7beb50e7ff79da548c79762c9130477208787e96 (2026-07-14), a copy of NixOS/nixpkgs whose one
# edit (nixos/modules/module-list.nix) touches nothing that is read here. microvm.nix is github:microvm-nix/microvm.nix at
# 71beea0076cd46dafcee97a5a2e7d00cbba5bd2f (2026-08-09). real_stand_in_test.py compares, where their sources are at hand.
{
  # Of nixpkgs, lib.trivial.release.
  release ? "26.11",
}:
let
  lib = import ./lib.nix // {
    trivial = { inherit release; };
  };
  tables = import ./options.nix { inherit lib; };
  system = "x86_64-linux";

  derivation =
    name: attributes:
    {
      type = "derivation";
      inherit name;
      outPath = "/nix/store/00000000000000000000000000000000-${name}";
    }
    // attributes;

  # "python3Packages.numpy" as nested sets. "gtk+" and "with" are the tests' own: names that need quotes.
  packages = builtins.foldl' (
    set: name:
    let
      parts = builtins.filter builtins.isString (builtins.split "\\." name);
      first = builtins.head parts;
      package = derivation first { meta.mainProgram = first; };
    in
    set
    // (
      if builtins.length parts == 1 then
        { ${name} = package; }
      else
        {
          ${first} = (set.${first} or { }) // {
            ${builtins.elemAt parts 1} = package;
          };
        }
    )
  ) { } (builtins.fromJSON (builtins.readFile ./packages.json));

  pkgs = packages // {
    inherit lib;
    pkgsStatic = pkgs;
    stdenv = {
      # No `linux-kernel`: removed in 26.11 (nixpkgs, doc/release-notes/rl-2611.section.md, lib/systems/default.nix line 708).
      hostPlatform = {
        inherit system;
      };
      # What a derivation is made of is looked at, as a build would.
      mkDerivation =
        attributes:
        derivation "${attributes.pname}-${attributes.version}" (
          builtins.deepSeq (removeAttrs attributes [ "src" ]) { inherit (attributes) meta src; }
        );
    };
    callPackage =
      file: given:
      let
        function = import file;
        wanted = builtins.functionArgs function;
      in
      function ((builtins.intersectAttrs wanted pkgs) // given);
    # pkgs/build-support/mkshell/default.nix, trivial-builders/default.nix.
    mkShell = attributes: derivation "nix-shell" (builtins.deepSeq attributes { });
    writeText = name: text: derivation name { inherit text; };
    linkFarm =
      name: entries:
      derivation name {
        entries = builtins.listToAttrs (map (entry: lib.nameValuePair entry.name entry.path) entries);
      };
  };

  # What microvm.nix and NixOS set by themselves of what guest.nix reads, and what microvm.nix refuses for cloud-hypervisor.
  machine =
    { config, ... }:
    let
      cfg = config.microvm;
      name = config.networking.hostName;
      times = value: values: builtins.length (builtins.filter (other: other == value) values);
      assertThat = message: assertion: { inherit assertion message; };
    in
    {
      options.microvm.storeDisk = lib.mkOption { type = lib.types.path; };
      options.refused = lib.mkOption { type = lib.types.listOf lib.types.str; };
      config = {
        # nixpkgs, nixos/modules/config/networking.nix: the host's name is 127.0.0.2's, and localhost nobody else's.
        networking.hosts."127.0.0.2" = lib.optional (
          config.networking.hostName != ""
        ) config.networking.hostName;
        assertions = [
          (assertThat
            "`networking.hosts` maps \"localhost\" to something other than \"127.0.0.1\"\nor \"::1\". This will break some applications."
            (
              !builtins.any (builtins.elem "localhost") (
                builtins.attrValues (
                  removeAttrs config.networking.hosts [
                    "127.0.0.1"
                    "::1"
                  ]
                )
              )
            )
          )
        ]
        # microvm.nix, nixos-modules/microvm/asserts.nix.
        ++ map (
          { id, ... }:
          assertThat
            "MicroVM ${name}: interface name ${id} is longer than the\nthe maximum length of 15 characters on Linux.\n"
            (builtins.stringLength id <= 15)
        ) cfg.interfaces
        ++ map (
          { tag, ... }:
          let
            used = times tag (map (share: share.tag) cfg.shares);
          in
          assertThat "MicroVM ${name}: share tag \"${tag}\" is used ${toString used} > 1 times.\n" (used == 1)
        ) cfg.shares;
        # nixpkgs, nixos/modules/config/users-groups.nix, services/system/dbus.nix, system/activation/activation-script.nix and
        # misc/ids.nix: accounts that every NixOS makes, a few of them.
        users.users = lib.genAttrs [ "root" "messagebus" "nobody" ] (name: {
          uid =
            {
              root = 0;
              messagebus = 4;
              nobody = 65534;
            }
            .${name};
        });
        users.groups = lib.genAttrs [ "root" "wheel" "keys" ] (name: {
          gid =
            {
              root = 0;
              wheel = 1;
              keys = 96;
            }
            .${name};
        });
        system.build.toplevel = derivation "nixos-system" { };
        # nixpkgs, nixos/modules/system/boot/systemd.nix.
        systemd.package = derivation "systemd" { };
        # system/boot/networkd.nix, the option's default.
        systemd.network.netdevs = { };
        # nixos-modules/microvm/options.nix, store-disk.nix and system.nix of microvm.nix.
        microvm = {
          declaredRunner = derivation "microvm-${cfg.hypervisor}-${config.networking.hostName}" { };
          initrdPath = "/nix/store/00000000000000000000000000000000-initrd/initrd";
          # nixpkgs, pkgs/os-specific/linux/kernel/build.nix, passthru.
          kernel = derivation "linux" {
            dev = derivation "linux-dev" { };
            modDirVersion = "6.18.1";
            target = "bzImage";
          };
          kernelParams = config.boot.kernelParams ++ [ "init=${config.system.build.toplevel}/init" ];
          graphics.enable = lib.mkOverride 1500 false;
          # There a hash of the host's name.
          machineId = lib.mkOverride 1500 "00000000-0000-0000-0000-000000000000";
          storeDisk = "${derivation "microvm-store-disk.erofs" { }}";
          storeOnDisk = lib.mkOverride 1500 (!builtins.any (share: share.source == "/nix/store") cfg.shares);
          writableStoreOverlay = lib.mkOverride 1500 null;
        };
        # nixos-modules/microvm/mounts.nix.
        fileSystems = builtins.listToAttrs (
          map (
            share:
            lib.nameValuePair share.mountPoint {
              device = share.tag;
              fsType = share.proto;
              options = [
                "defaults"
                "x-systemd.after=systemd-modules-load.service"
              ];
              neededForBoot = lib.mkIf (share.source == "/nix/store") true;
            }
          ) cfg.shares
        );
        refused =
          map (failed: failed.message) (builtins.filter (one: !one.assertion) config.assertions)
          # What microvm.nix throws, lib/runners/cloud-hypervisor.nix.
          ++ lib.optional (builtins.any (
            share: share.proto != "virtiofs"
          ) cfg.shares) "cloud-hypervisor supports only shares that are virtiofs"
          ++ map ({ type, ... }: "Unsupported interface type ${type} for Cloud-Hypervisor") (
            builtins.filter ({ type, ... }: type != "tap" && type != "macvtap") cfg.interfaces
          )
          # Rules of ours: microvm.nix takes any hypervisor, and says of the numbers 0 to 2 only that they are reserved.
          ++ lib.optional (cfg.hypervisor != "cloud-hypervisor") "another hypervisor"
          ++ lib.optional (cfg.vsock.cid < 3) "a reserved CID";
      };
    };

  nixosSystem =
    {
      modules,
      specialArgs ? { },
      ...
    }:
    lib.evalModules {
      modules = tables.modulesOf (import ./nixos_options.nix) ++ modules;
      specialArgs = specialArgs // {
        inherit lib pkgs;
      };
    };

  # Their names and main programs: sadjow/codex-cli-nix at 848bccf, flake.nix and package.nix; numtide/llm-agents.nix at ff4a0df,
  # packages/. codex-rs is the tests' own.
  agentPackages.packages.${system} = {
    default = derivation "codex" { meta.mainProgram = "codex"; };
    codex = derivation "codex" { meta.mainProgram = "codex"; };
    codex-rs = derivation "codex-rs" { meta.mainProgram = "codex"; };
    claude-code = derivation "claude-code" { meta.mainProgram = "claude"; };
    gemini-cli = derivation "gemini-cli" { meta.mainProgram = "gemini"; };
    opencode = derivation "opencode" { meta.mainProgram = "opencode"; };
  };

  nixpkgs = {
    lib = lib // {
      inherit nixosSystem;
    };
    legacyPackages.${system} = pkgs;
  };

  # A flake's outputs, with itself among its inputs. `place` is what "${self}" gives.
  call =
    place: flake: inputs:
    let
      self = flake.outputs (inputs // { inherit self; }) // {
        outPath = place;
      };
    in
    self;

  agentvm = call "/nix/store/00000000000000000000000000000000-source" (import ../../flake.nix) {
    inherit nixpkgs;
  };
in
{
  inherit
    lib
    nixpkgs
    agentvm
    call
    nixosSystem
    ;
  inputs = {
    inherit nixpkgs agentvm;
    microvm.nixosModules.microvm.imports = tables.modulesOf (import ./microvm_options.nix) ++ [
      machine
    ];
    codex-cli-nix = agentPackages;
    llm-agents = agentPackages;
    agent-flake = agentPackages;
  };
  descriptions = tables.descriptionsOf (import ./microvm_options.nix // import ./nixos_options.nix);
}
