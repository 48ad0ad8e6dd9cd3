# lib.nix - a stand-in for nixpkgs' lib: what the files of this repository and definitions use of it, and no more.
#
# Read in nixpkgs' lib (7beb50e, see world.nix); real_stand_in_test.py calls both with the same arguments.
let
  modules = import ./modules.nix;
  basic = import ./types.nix // {
    inherit (modules) submodule;
  };
  types = basic // import ./nixos_types.nix basic;
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
  mkOrder = priority: content: {
    _type = "order";
    inherit priority content;
  };
  mkDefault = mkOverride 1000;
  mkForce = mkOverride 50;

  optional = condition: value: if condition then [ value ] else [ ];
  optionals = condition: values: if condition then values else [ ];
  optionalString = condition: text: if condition then text else "";
  inherit (builtins) all concatStringsSep genList;
  hasPrefix = prefix: text: builtins.substring 0 (builtins.stringLength prefix) text == prefix;
  splitString =
    separator: text:
    builtins.filter builtins.isString (
      builtins.split (builtins.replaceStrings [ "." ] [ "[.]" ] separator) text
    );
  take =
    count: values:
    genList (builtins.elemAt values) (
      if count < builtins.length values then count else builtins.length values
    );
  init = values: take (builtins.length values - 1) values;
  unique = builtins.foldl' (
    done: value: if builtins.elem value done then done else done ++ [ value ]
  ) [ ];
  concatStrings = builtins.concatStringsSep "";
  concatMapStringsSep =
    separator: f: values:
    builtins.concatStringsSep separator (map f values);
  mapAttrsToList =
    f: attributes: map (name: f name attributes.${name}) (builtins.attrNames attributes);
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

  # strings.nix.
  escapeShellArg =
    argument:
    let
      text = toString argument;
    in
    if builtins.match "[[:alnum:],._+:@%/-]+" text != null then
      text
    else
      "'${builtins.replaceStrings [ "'" ] [ "'\\''" ] text}'";
  escapeShellArgs = words: builtins.concatStringsSep " " (map escapeShellArg words);
  literalExpression = text: {
    _type = "literalExpression";
    inherit text;
  };

  # meta.nix, where getExe guesses the name and warns.
  getExe =
    package:
    getExe' package (package.meta.mainProgram or (throw "${package.name} names no main program"));
  getExe' = package: name: "${package.bin or package}/bin/${name}";
  makeBinPath =
    packages: builtins.concatStringsSep ":" (map (package: "${package.bin or package}/bin") packages);
  # strings.nix, cmakeOptionType.
  cmakeBool = name: value: "-D${name}:BOOL=${if value then "TRUE" else "FALSE"}";
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
