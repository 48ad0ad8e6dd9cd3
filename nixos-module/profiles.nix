# profiles.nix - agentvm's profiles made of Nix sets, for NixOS and for Home Manager: options, and the files.
{ lib, pkgs }:
let
  toml = pkgs.formats.toml { };
  # What launcher/host/profile_store takes for a name.
  usable = name: name != "" && !lib.hasPrefix "." name && !lib.hasInfix "/" name;
in
{
  options = {
    profiles = lib.mkOption {
      type = lib.types.attrsOf (lib.types.attrsOf toml.type);
      default = { };
      example = lib.literalExpression ''
        {
          work = {
            extends = "rust";
            machine.memory = "8GiB";
            guest = {
              source = "nix";
              packages = [ "just" ];
              modules = [ ./guest.nix ];
            };
          };
        }
      '';
      description = ''
        Profiles for `agentvm run --profile NAME`, by name, with the keys of docs/profile.md. One that has the name of a
        built-in profile takes its place. They end up in the world-readable Nix store, so a secret is named by its place,
        as `model.key.file = "/run/secrets/openai"`.
      '';
    };

    checkProfiles = lib.mkOption {
      type = lib.types.bool;
      default = true;
      description = ''
        Whether `agentvm profile check` looks at each profile when the configuration is built, so that a mistake stops the
        switch. A profile that extends one which is not in `profiles` nor built in needs `false`.
      '';
    };
  };

  assertions = at: profiles: [
    {
      assertion = lib.all usable (builtins.attrNames profiles);
      message = "${at}: a profile's name must not be empty, start with '.' or contain '/' (${lib.concatStringsSep ", " (builtins.attrNames profiles)}).";
    }
  ];

  # A directory of NAME.toml. The program itself looks at each as `agentvm profile check` does, when the system is built: a
  # mistake is found then, not at the next run. `package` null: nobody looks.
  directory =
    package: profiles:
    let
      files = lib.mapAttrs (name: profile: toml.generate "${name}.toml" profile) profiles;
    in
    pkgs.runCommandLocal "agentvm-profiles" { } (
      ''
        mkdir -p $out
      ''
      + lib.concatStrings (
        lib.mapAttrsToList (name: file: ''
          ln -s ${file} $out/${lib.escapeShellArg name}.toml
        '') files
      )
      + lib.optionalString (package != null) (
        ''
          mkdir -p config/agentvm empty
          mkdir -m 0700 run
          ln -s $out config/agentvm/profiles
          export HOME=$PWD XDG_CONFIG_HOME=$PWD/config XDG_RUNTIME_DIR=$PWD/run
          # Elsewhere: a profile below the current directory is a workspace's, which may only narrow.
          cd empty
        ''
        + lib.concatMapStrings (name: ''
          ${package}/bin/agentvm profile check ${lib.escapeShellArg name}
        '') (builtins.attrNames profiles)
      )
    );
}
