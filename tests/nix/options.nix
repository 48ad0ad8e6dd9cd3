# options.nix - a table of option names and types (JSON) as option declarations, and as nixpkgs would describe them.
#
# A type is a word of types.nix or nixos_types.nix, or a list: ["listOf", TYPE], ["nullOr", TYPE], ["attrsOf", TYPE], ["enum", WORD...],
# ["either", TYPE, TYPE], ["strMatching", PATTERN], ["submodule", { NAME = TYPE; }].
{ lib }:
let
  inherit (builtins)
    attrNames
    elemAt
    filter
    head
    isString
    mapAttrs
    split
    tail
    ;
  inherit (lib) types;

  typeOf =
    form:
    if isString form then
      types.${form}
    else
      let
        kind = head form;
        inner = elemAt form 1;
      in
      if kind == "enum" then
        types.enum (tail form)
      else if kind == "strMatching" then
        types.strMatching inner
      else if kind == "submodule" then
        types.submodule { options = mapAttrs (_: form: lib.mkOption { type = typeOf form; }) inner; }
      else if kind == "either" then
        types.either (typeOf inner) (typeOf (elemAt form 2))
      else
        types.${kind} (typeOf inner);

  parts = name: filter isString (split "\\." name);
  nest = path: value: if path == [ ] then value else { ${head path} = nest (tail path) value; };

  # What an entry's values have options of: "microvm.shares" has "microvm.shares.*.tag".
  inside =
    form:
    if isString form then
      { }
    else if head form == "submodule" then
      elemAt form 1
    else if
      builtins.elem (head form) [
        "listOf"
        "attrsOf"
      ]
    then
      inside (elemAt form 1)
    else if head form == "either" then
      inside (elemAt form 2)
    else
      { };
  described =
    name: form:
    [ (lib.nameValuePair name (typeOf form).description) ]
    ++ builtins.concatLists (lib.mapAttrsToList (inner: described "${name}.*.${inner}") (inside form));
in
{
  # One module per option: declarations of one tree are joined by the module system.
  modulesOf =
    table:
    map (name: { options = nest (parts name) (lib.mkOption { type = typeOf table.${name}; }); }) (
      attrNames table
    );

  descriptionsOf =
    table: builtins.listToAttrs (builtins.concatLists (lib.mapAttrsToList described table));
}
