# options.nix - a table of option names and types (JSON) as option declarations, and as nixpkgs would describe them.
#
# A type is a word of types.nix, or a list: ["listOf", TYPE], ["nullOr", TYPE], ["attrsOf", TYPE], ["enum", WORD...],
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
        types.submodule (mapAttrs (_: form: lib.mkOption { type = typeOf form; }) inner)
      else if kind == "either" then
        types.either (typeOf inner) (typeOf (elemAt form 2))
      else
        types.${kind} (typeOf inner);

  parts = name: filter isString (split "\\." name);
  nest = path: value: if path == [ ] then value else { ${head path} = nest (tail path) value; };

  # "microvm.shares" and "microvm.shares.*.tag" from one entry.
  described =
    name: form:
    [ (lib.nameValuePair name (typeOf form).description) ]
    ++ (
      if isString form || !(builtins.elem (head form) [ "listOf" "attrsOf" ]) || isString (elemAt form 1) then
        [ ]
      else if head (elemAt form 1) == "submodule" then
        builtins.concatLists (
          lib.mapAttrsToList (inner: described "${name}.*.${inner}") (elemAt (elemAt form 1) 1)
        )
      else
        [ ]
    );
in
{
  # One module per option: declarations of one tree are joined by the module system.
  modulesOf = table: map (name: { options = nest (parts name) (lib.mkOption { type = typeOf table.${name}; }); }) (attrNames table);

  descriptionsOf = table: builtins.listToAttrs (builtins.concatLists (lib.mapAttrsToList described table));
}
