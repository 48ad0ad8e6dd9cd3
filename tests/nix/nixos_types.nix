# nixos_types.nix - types that NixOS's modules make for themselves, each with the file of nixpkgs (7beb50e, see world.nix).
types:
let
  inherit (builtins)
    concatMap
    head
    isBool
    isInt
    isList
    isString
    length
    map
    match
    ;
  inherit (types) phrase same;
  values = map (def: def.value);
in
rec {
  # nixos/lib/systemd-lib.nix, unitNameType.
  unitName = types.strMatching "[a-zA-Z0-9@%:_.\\\\-]+[.](service|socket|device|mount|automount|swap|target|path|timer|scope|slice)";

  # nixos/lib/systemd-unit-options.nix, unitOption: a value of a unit's section.
  unitOption = {
    description = "systemd option";
    check = _: true;
    merge =
      loc: defs:
      if builtins.any isList (values defs) then
        concatMap (value: if isList value then value else [ value ]) (values defs)
      else
        same loc (values defs);
  };

  # nixos/modules/system/boot/kernel.nix, boot.kernelParams.
  kernelParam = types.plain "string, with spaces inside double quotes" (
    value: isString value && match ''([^"[:space:]]|"[^"]*")+'' value != null
  );

  # nixos/modules/system/boot/kernel.nix, attrNamesToTrue: the value is a set, of which modules read the names.
  attrNamesToTrue =
    let
      set = types.attrsOf types.bool;
      list = types.listOf types.str;
      given =
        value:
        if isList value then
          builtins.listToAttrs (
            map (name: {
              inherit name;
              value = true;
            }) value
          )
        else
          value;
    in
    {
      description = "${phrase [ "noun" ] set} or ${phrase [ "noun" ] list} convertible to it";
      check = value: list.check value || set.check value;
      merge = loc: defs: set.merge loc (map (def: def // { value = given def.value; }) defs);
    };

  # nixos/modules/config/sysctl.nix: two definitions of one strength are refused, though they agree.
  sysctl =
    let
      one = {
        description = "sysctl option value";
        check = value: isBool value || isString value || isInt value || value == null;
        merge =
          loc: defs:
          if length defs > 1 then
            throw "The option `${builtins.concatStringsSep "." loc}' is defined multiple times while it's expected to be unique."
          else
            head (types.checked one loc defs);
      };
    in
    types.attrsOf one
    // {
      description = "open submodule of ${phrase [ "noun" "composite" ] (types.attrsOf one)}";
    };

  # nixos/modules/tasks/filesystems.nix, nonEmptyStr; the other one is in lib/types.nix.
  checkedStr = types.plain "string (with check: non-empty)" types.nonEmptyStr.check;
  # lib/types.nix, nonEmptyListOf.
  mountOptions =
    let
      list = types.listOf checkedStr;
    in
    list
    // {
      description = "non-empty ${phrase [ "noun" ] list}";
      check = value: list.check value && value != [ ];
      merge =
        loc: defs:
        builtins.foldl' (done: value: builtins.seq value done) (list.merge loc defs) (
          types.checked mountOptions loc defs
        );
    };

  # lib/types.nix, passwdEntry.
  passwdStr = passwdEntry types.str;
  passwdPath = passwdEntry types.path;
  passwdEntry =
    entry:
    types.plain "${phrase [ "noun" ] entry}, not containing newlines or colons" (
      value: entry.check value && match "[^:\n]*" (toString value) != null
    )
    // {
      class = "nonRestrictiveClause";
    };

  # nixos/modules/programs/git.nix: sections, sorted, and then the lists that somebody gave to keep an order.
  gitConfig =
    let
      sections = types.attrsOf (types.attrsOf types.anything);
      either = types.either sections (types.listOf sections);
      lists = builtins.filter (def: isList def.value);
      sets = builtins.filter (def: !isList def.value);
    in
    either
    // {
      merge =
        loc: defs: [ (sections.merge loc (sets defs)) ] ++ builtins.concatLists (values (lists defs));
    };

  # nixos/modules/config/nix.nix, semanticConfType: what nix.settings takes beside the options that it declares.
  nixConf =
    let
      atom = types.nullOr (types.either types.bool (types.either types.int types.str)) // {
        description = "Nix config atom (null, bool, int, float, str, path or package)";
      };
    in
    types.either atom (types.listOf atom);
}
