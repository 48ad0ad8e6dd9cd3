# lib.nix - a stand-in for nixpkgs' lib: what the files of this repository and definitions use of it, and no more.
let
  modules = import ./modules.nix;
  types = import ./types.nix // {
    inherit (modules) submodule;
  };
in
rec {
  inherit types;
  inherit (modules) evalModules;

  mkOption = attributes: attributes // { _type = "option"; };
  mkIf = condition: content: {
    _type = "if";
    inherit condition content;
  };
  mkMerge = contents: {
    _type = "merge";
    inherit contents;
  };
  mkOverride = priority: content: {
    _type = "override";
    inherit priority content;
  };
  mkDefault = mkOverride 1000;
  mkForce = mkOverride 50;

  optional = condition: value: if condition then [ value ] else [ ];
  optionals = condition: values: if condition then values else [ ];
  optionalString = condition: text: if condition then text else "";
  concatStrings = builtins.concatStringsSep "";
  concatMapStringsSep =
    separator: f: values:
    builtins.concatStringsSep separator (map f values);
  mapAttrsToList = f: attributes: map (name: f name attributes.${name}) (builtins.attrNames attributes);
  # As builtins.compareVersions has it.
  versionOlder = one: other: builtins.compareVersions one other < 0;
  genAttrs =
    names: f:
    builtins.listToAttrs (
      map (name: {
        inherit name;
        value = f name;
      }) names
    );
  nameValuePair = name: value: { inherit name value; };

  # A word of a POSIX shell.
  escapeShellArg =
    text:
    if builtins.match "[A-Za-z0-9_.:/=@%+,-]+" text != null then
      text
    else
      "'${builtins.replaceStrings [ "'" ] [ "'\\''" ] text}'";

  escapeShellArgs = words: builtins.concatStringsSep " " (map (word: escapeShellArg (toString word)) words);
  literalExpression = text: { _type = "literalExpression"; inherit text; };

  getExe =
    package: "${package}/bin/${package.meta.mainProgram or (throw "${package.name} names no main program")}";
  getExe' = package: name: "${package}/bin/${name}";
  makeBinPath = packages: builtins.concatStringsSep ":" (map (package: "${package}/bin") packages);
  cmakeBool = name: value: "-D${name}:BOOL=${if value then "ON" else "OFF"}";
  cmakeFeature = name: value: "-D${name}:STRING=${value}";

  # Only that the parts are there.
  fileset = {
    maybeMissing = path: if builtins.pathExists path then [ path ] else [ ];
    unions = builtins.concatMap (part: if builtins.isList part then part else [ part ]);
    toSource =
      { root, fileset }:
      if builtins.all builtins.pathExists fileset then root else throw "a part of the sources is missing";
  };

  licenses.mit = "MIT";
  platforms.linux = [ "x86_64-linux" ];
}
