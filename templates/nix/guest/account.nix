# account.nix - the agent's account: its rights, its programs and the files of its home.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.agentvm;
  home = "/home/${cfg.user}";
  # ".config/opencode/AGENTS.md": ".config" and ".config/opencode".
  above =
    path:
    let
      parts = lib.init (lib.splitString "/" path);
    in
    lib.genList (n: lib.concatStringsSep "/" (lib.take (n + 1) parts)) (builtins.length parts);
  directory = path: "d ${home}/${path} 0700 ${cfg.user} ${cfg.user} -";
  # Copied: the agent may write to it.
  file =
    path: mode: source:
    "C ${home}/${path} ${mode} ${cfg.user} ${cfg.user} - ${source}";
in
{
  users.users.${cfg.user} = {
    isNormalUser = true;
    uid = 1000;
    group = cfg.user;
    extraGroups = [
      "wheel"
      "systemd-journal"
    ];
    inherit home;
    homeMode = "755";
  };
  users.groups.${cfg.user}.gid = 1000;
  # The machine is the agent's: nobody else logs in, and nobody has a password.
  users.allowNoPasswordLogin = true;
  # By name as well: it holds for processes without the group, too.
  security.sudo.wheelNeedsPassword = false;
  security.sudo.extraRules = [
    {
      users = [ cfg.user ];
      commands = [
        {
          command = "ALL";
          options = [
            "NOPASSWD"
            "SETENV"
          ];
        }
      ];
    }
  ];

  environment.systemPackages =
    lib.optional (cfg.agent.package != null) cfg.agent.package
    # Codex's own sandbox, when its autonomy is "ask".
    ++ [ pkgs.bubblewrap ];
  programs.git = {
    enable = true;
    # Files of the workspace belong to whoever owns them outside.
    config.safe.directory = "*";
    # The caller's name and address, which agentvm-guest writes before the agent starts; without agentvm there is no such
    # file. What a module says of `user` comes later in /etc/gitconfig, and so wins; its own include takes this one's place.
    config.include.path = lib.mkDefault "/run/agentvm/gitconfig";
  };
  # Programs that were not built for NixOS (a toolchain a project brings) find their loader.
  programs.nix-ld.enable = lib.mkDefault true;

  environment.loginShellInit = lib.concatStrings (
    lib.mapAttrsToList (
      name: value: "export ${name}=${lib.escapeShellArg value}\n"
    ) cfg.agent.environment
  );

  # The PATH that agentvm gave what it started (a devShell's, --env PATH=...) holds in the login shells of it as well:
  # Codex runs its commands with `bash -lc`. Last: NixOS puts its wrappers first (security/wrappers/default.nix).
  environment.extraInit = lib.mkOrder 2000 ''
    [ -z "''${AGENTVM_PATH-}" ] || export PATH="$AGENTVM_PATH"
  '';

  systemd.tmpfiles.rules = [
    "d /run/agentvm 0755 root root -"
    # Where Codex's configuration starts the bridge to MCP servers from.
    "L+ /run/agentvm/agentvm-guest - - - - ${cfg.package}/bin/agentvm-guest"
    "d ${home} 0755 ${cfg.user} ${cfg.user} -"
  ]
  ++ map directory (lib.unique ([ ".codex" ] ++ above cfg.agent.guidance))
  ++ lib.optional (cfg.codex.config != null) (file ".codex/config.toml" "0600" cfg.codex.config)
  ++ lib.optional (cfg.agentsMd != null) (file cfg.agent.guidance "0644" cfg.agentsMd);

  nix.settings = {
    experimental-features = [
      "nix-command"
      "flakes"
    ];
    trusted-users = [ cfg.user ];
  };
}
