# stand_in_samples.nix - functions and types of a lib at work: what the made-up one gives must be what the real one gives.
#
# `types` are those of NixOS's own modules, as the options have them. `attempt` tells whether a value was refused.
{ lib, types }:
let
  attempt =
    value:
    let
      tried = builtins.tryEval (builtins.deepSeq value value);
    in
    if tried.success then tried.value else "refused";
  # What definitions of one option become.
  merged =
    type: values:
    attempt
      (lib.evalModules {
        modules = [
          { options.x = lib.mkOption { inherit type; }; }
        ]
        ++ map (value: { x = value; }) values;
      }).config.x;
  program = {
    type = "derivation";
    name = "p";
    outPath = "/p";
    meta.mainProgram = "run";
  };
  odd = [
    null
    true
    0
    1
    (-1)
    65535
    65536
    ""
    " \n"
    "a"
    "a\n"
    "a\nb"
    "a:b"
    "/a"
    "a b"
    "\"a b\""
    "ä.mount"
    "a.mount"
    "NOPASSWD"
    [ ]
    [ "a" ]
    [ "" ]
    { }
    { a = true; }
    { a = "b"; }
    { a.b = "c"; }
  ];
  kinds = {
    inherit (lib.types)
      bool
      str
      nonEmptyStr
      singleLineStr
      int
      port
      path
      lines
      anything
      ;
    inherit (lib.types.ints) positive unsigned;
    list = lib.types.listOf lib.types.str;
    set = lib.types.attrsOf lib.types.str;
    maybe = lib.types.nullOr lib.types.str;
    either = lib.types.either lib.types.str lib.types.int;
    pattern = lib.types.strMatching "[a-z]+";
    enum = lib.types.enum [
      "a"
      1
    ];
  }
  // removeAttrs types [ "sysctl" ];
  # NixOS declares two of them, which are there without being set.
  set =
    value:
    if builtins.isAttrs value then
      removeAttrs value [
        "net.core.rmem_max"
        "net.core.wmem_max"
      ]
    else
      value;
in
{
  words = map lib.escapeShellArg [
    ""
    "plain-1_2.3:/@%+,"
    "a=b"
    "it's"
    "a b\n"
    "ä"
    12
    /a
  ];
  line = lib.escapeShellArgs [
    "a b"
    1
    "--x=y"
  ];
  flags = [
    (lib.cmakeBool "A" true)
    (lib.cmakeBool "B" false)
    (lib.cmakeFeature "C" "d")
  ];
  programs = [
    (lib.getExe program)
    (lib.getExe' program "other")
    (lib.makeBinPath [
      program
      program
    ])
  ];
  older = map (version: lib.versionOlder version "26.05") [
    "24.11"
    "26.04"
    "26.05"
    "26.11"
    "26.05pre"
  ];
  lists = [
    (lib.optional true 1)
    (lib.optionals false [ 1 ])
    (lib.optionalString true "a")
    (lib.concatMapStringsSep ":" toString [
      1
      2
    ])
    (lib.mapAttrsToList (name: value: name + value) {
      b = "1";
      a = "2";
    })
    (lib.genAttrs [ "a" ] (name: name))
    (lib.splitString "." "a.b..c")
    (lib.splitString "/" "/a/b")
    (lib.take 5 [
      1
      2
    ])
    (lib.take 1 [
      1
      2
    ])
    (lib.init [
      1
      2
      3
    ])
    (lib.unique [
      2
      1
      2
    ])
    (lib.all (value: value > 0) [
      1
      0
    ])
    (map (lib.hasPrefix "ab") [
      "abc"
      "a"
      ""
    ])
  ];
  takes = builtins.mapAttrs (_: type: map (value: merged type [ value ]) odd) kinds;
  # Several definitions of one option.
  merges = {
    same = merged lib.types.str [
      "a"
      "a"
    ];
    different = merged lib.types.str [
      "a"
      "b"
    ];
    default = merged lib.types.str [
      (lib.mkDefault "a")
      "b"
    ];
    force = merged lib.types.str [
      "a"
      (lib.mkForce "b")
    ];
    lists = merged kinds.list [
      [ "a" ]
      (lib.mkIf false [ "b" ])
      (lib.mkMerge [
        [ "c" ]
        [ "d" ]
      ])
    ];
    numbers = merged kinds.list [ [ 1 ] ];
    lines = merged lib.types.lines [
      "a"
      "b"
    ];
    ordered = merged lib.types.lines [
      (lib.mkOrder 2000 "a")
      "b"
      (lib.mkOrder 10 (lib.mkIf true "c"))
      "d"
    ];
    sets = merged kinds.set [
      { a = "1"; }
      { b = lib.mkDefault "2"; }
      { b = "3"; }
    ];
    nulls = merged kinds.maybe [
      null
      null
    ];
    mixed = merged kinds.maybe [
      null
      "a"
    ];
    deep = merged lib.types.anything [
      { a.b = 1; }
      { a.c = lib.mkDefault 2; }
    ];
    units = merged (lib.types.attrsOf types.unitOption) [
      { A = "x"; }
      { A = [ "y" ]; }
    ];
    modules = builtins.attrNames (
      merged types.attrNamesToTrue [
        [ "a" ]
        { b = true; }
      ]
    );
    sysctl = set (
      merged types.sysctl [
        { a = 1; }
        { a = 1; }
      ]
    );
    sysctlDefault = set (
      merged types.sysctl [
        { a = lib.mkDefault 1; }
        { a = 0; }
      ]
    );
    git = merged types.gitConfig [
      { b.c = 1; }
      [ { x.y = 1; } ]
      { a.b = 2; }
    ];
    sections = merged types.gitConfig [ [ { a.b = "c"; } ] ];
    submodule = merged (lib.types.listOf (
      lib.types.submodule { options.a = lib.mkOption { type = lib.types.str; }; }
    )) [ [ { a = "1"; } ] ];
    readOnly =
      attempt
        (lib.evalModules {
          modules = [
            {
              options.x = lib.mkOption {
                type = lib.types.int;
                readOnly = true;
              };
            }
            { x = 1; }
            { x = 1; }
          ];
        }).config.x;
  };
}
