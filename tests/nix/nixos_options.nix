# nixos_options.nix - the options of NixOS that definitions and modules of ours set, with their types (options.nix).
#
# Of nixpkgs at the commit that world.nix names; before each the file below nixos/modules that declares it.
{
  # config/console.nix
  "console.enable" = "bool";
  # config/networking.nix
  "networking.hosts" = [
    "attrsOf"
    [
      "listOf"
      "str"
    ]
  ];
  # config/nix.nix
  "nix.settings.experimental-features" = "nixConf";
  "nix.settings.trusted-users" = [
    "listOf"
    "str"
  ];
  # config/shells-environment.nix
  "environment.extraInit" = "lines";
  "environment.loginShellInit" = "lines";
  # config/sysctl.nix
  "boot.kernel.sysctl" = "sysctl";
  # config/system-path.nix
  "environment.systemPackages" = [
    "listOf"
    "package"
  ];
  # config/users-groups.nix
  "users.allowNoPasswordLogin" = "bool";
  "users.groups" = [
    "attrsOf"
    [
      "submodule"
      {
        gid = [
          "nullOr"
          "int"
        ];
        members = [
          "listOf"
          "passwdStr"
        ];
      }
    ]
  ];
  "users.users" = [
    "attrsOf"
    [
      "submodule"
      {
        description = "passwdStr";
        extraGroups = [
          "listOf"
          "str"
        ];
        group = "str";
        home = "passwdPath";
        homeMode = [
          "strMatching"
          "[0-7]{1,5}"
        ];
        isNormalUser = "bool";
        isSystemUser = "bool";
        linger = [
          "nullOr"
          "bool"
        ];
        uid = [
          "nullOr"
          "int"
        ];
      }
    ]
  ];
  # misc/assertions.nix
  "assertions" = [
    "listOf"
    "unspecified"
  ];
  # misc/version.nix
  "system.stateVersion" = "str";
  # programs/command-not-found/command-not-found.nix
  "programs.command-not-found.enable" = "bool";
  # programs/git.nix
  "programs.git.config" = "gitConfig";
  "programs.git.enable" = "bool";
  # programs/nix-ld.nix
  "programs.nix-ld.enable" = "bool";
  # security/sudo.nix
  "security.sudo.extraRules" = [
    "listOf"
    [
      "submodule"
      {
        commands = [
          "listOf"
          [
            "either"
            "str"
            [
              "submodule"
              {
                command = "str";
                options = [
                  "listOf"
                  [
                    "enum"
                    "NOPASSWD"
                    "PASSWD"
                    "NOEXEC"
                    "EXEC"
                    "SETENV"
                    "NOSETENV"
                    "LOG_INPUT"
                    "NOLOG_INPUT"
                    "LOG_OUTPUT"
                    "NOLOG_OUTPUT"
                    "MAIL"
                    "NOMAIL"
                    "FOLLOW"
                    "NOFLLOW"
                    "INTERCEPT"
                    "NOINTERCEPT"
                  ]
                ];
              }
            ]
          ]
        ];
        users = [
          "listOf"
          [
            "either"
            "str"
            "int"
          ]
        ];
      }
    ]
  ];
  "security.sudo.wheelNeedsPassword" = "bool";
  # services/hardware/udev.nix
  "networking.usePredictableInterfaceNames" = "bool";
  # services/logging/logrotate.nix
  "services.logrotate.enable" = "bool";
  # services/networking/firewall.nix
  "networking.firewall.enable" = "bool";
  "networking.firewall.interfaces" = [
    "attrsOf"
    [
      "submodule"
      {
        allowedTCPPorts = [
          "listOf"
          "port"
        ];
        allowedUDPPorts = [
          "listOf"
          "port"
        ];
      }
    ]
  ];
  # services/networking/firewall-nftables.nix
  "networking.firewall.extraForwardRules" = "lines";
  "networking.firewall.filterForward" = "bool";
  # services/ttys/getty.nix
  "services.getty.autologinUser" = [
    "nullOr"
    "str"
  ];
  # system/activation/top-level.nix
  "system.build.toplevel" = "package";
  # system/boot/kernel.nix
  "boot.initrd.kernelModules" = "attrNamesToTrue";
  "boot.kernelModules" = "attrNamesToTrue";
  "boot.kernelParams" = [
    "listOf"
    "kernelParam"
  ];
  # system/boot/networkd.nix
  "systemd.network.netdevs" = [
    "attrsOf"
    [
      "submodule"
      { }
    ]
  ];
  "systemd.network.networks" = [
    "attrsOf"
    [
      "submodule"
      {
        linkConfig = [
          "attrsOf"
          "unitOption"
        ];
        matchConfig = [
          "attrsOf"
          "unitOption"
        ];
        networkConfig = [
          "attrsOf"
          "unitOption"
        ];
      }
    ]
  ];
  # system/boot/stage-1.nix
  "boot.initrd.verbose" = "bool";
  # system/boot/systemd.nix
  "systemd.generators" = [
    "attrsOf"
    "path"
  ];
  "systemd.package" = "package";
  "systemd.units" = [
    "attrsOf"
    [
      "submodule"
      { enable = "bool"; }
    ]
  ];
  "systemd.services" = [
    "attrsOf"
    [
      "submodule"
      {
        after = [
          "listOf"
          "unitName"
        ];
        before = [
          "listOf"
          "unitName"
        ];
        conflicts = [
          "listOf"
          "unitName"
        ];
        description = "singleLineStr";
        documentation = [
          "listOf"
          "str"
        ];
        enable = "bool";
        overrideStrategy = [
          "enum"
          "asDropinIfExists"
          "asDropin"
        ];
        requires = [
          "listOf"
          "unitName"
        ];
        restartIfChanged = "bool";
        restartTriggers = [
          "listOf"
          "unspecified"
        ];
        serviceConfig = [
          "attrsOf"
          "unitOption"
        ];
        unitConfig = [
          "attrsOf"
          "unitOption"
        ];
        wantedBy = [
          "listOf"
          "unitName"
        ];
      }
    ]
  ];
  "systemd.slices" = [
    "attrsOf"
    [
      "submodule"
      {
        description = "singleLineStr";
        sliceConfig = [
          "attrsOf"
          "unitOption"
        ];
      }
    ]
  ];
  "systemd.sockets" = [
    "attrsOf"
    [
      "submodule"
      {
        description = "singleLineStr";
        socketConfig = [
          "attrsOf"
          "unitOption"
        ];
        unitConfig = [
          "attrsOf"
          "unitOption"
        ];
        wantedBy = [
          "listOf"
          "unitName"
        ];
      }
    ]
  ];
  # system/boot/systemd/initrd.nix
  "boot.initrd.systemd.services" = [
    "attrsOf"
    [
      "submodule"
      {
        serviceConfig = [
          "attrsOf"
          "unitOption"
        ];
      }
    ]
  ];
  # system/boot/systemd/journald.nix
  "services.journald.storage" = [
    "enum"
    "persistent"
    "volatile"
    "auto"
    "none"
  ];
  # system/boot/systemd/oomd.nix
  "systemd.oomd.enable" = "bool";
  # system/boot/systemd/shutdown.nix
  "systemd.shutdownRamfs.enable" = "bool";
  # system/boot/systemd/tmpfiles.nix
  "systemd.tmpfiles.rules" = [
    "listOf"
    "str"
  ];
  # system/boot/systemd/user.nix
  "systemd.user.services" = [
    "attrsOf"
    [
      "submodule"
      {
        description = "singleLineStr";
        serviceConfig = [
          "attrsOf"
          "unitOption"
        ];
        unitConfig = [
          "attrsOf"
          "unitOption"
        ];
        wantedBy = [
          "listOf"
          "unitName"
        ];
      }
    ]
  ];
  # system/boot/timesyncd.nix
  "services.timesyncd.enable" = "bool";
  # tasks/filesystems.nix
  "fileSystems" = [
    "attrsOf"
    [
      "submodule"
      {
        device = [
          "nullOr"
          "checkedStr"
        ];
        fsType = "checkedStr";
        neededForBoot = "bool";
        options = "mountOptions";
      }
    ]
  ];
  # tasks/network-interfaces.nix
  "networking.hostName" = [
    "strMatching"
    "^$|^[[:alnum:]]([[:alnum:]_-]{0,61}[[:alnum:]])?$"
  ];
  "networking.useNetworkd" = "bool";
  # virtualisation/nixos-containers.nix
  "boot.enableContainers" = "bool";
}
