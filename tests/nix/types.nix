# types.nix - option types: what a value must be, what it is called, and how several definitions become one.
#
# A stand-in for the part of nixpkgs' lib/types.nix (7beb50e, see world.nix) that definitions and modules of ours use.
# `description` and `class` (there: descriptionClass) are as there; real_stand_in_test.py compares them with the real options.
let
  inherit (builtins)
    all
    attrNames
    concatStringsSep
    elem
    filter
    head
    isAttrs
    isBool
    isInt
    isList
    isString
    length
    listToAttrs
    map
    match
    ;

  show = value: if isAttrs value && !(value ? outPath) then "{ ... }" else builtins.toJSON value;
  place = concatStringsSep ".";
  isStringLike = value: isString value || (isAttrs value && value ? outPath) || builtins.isPath value;
  isPackage = value: isAttrs value && (value.type or "") == "derivation";

  # lib/types.nix, optionDescriptionPhrase.
  phrase =
    classes: type:
    if elem (type.class or null) classes then type.description else "(${type.description})";

  # Definitions are { file, value }; only the strongest priority of each is left by then (modules.nix).
  checked =
    type: loc: defs:
    map (
      def:
      if type.check def.value then
        def.value
      else
        throw "A definition for option `${place loc}' is not of type `${type.description}': ${show def.value} (${def.file})"
    ) defs;

  # lib/options.nix, mergeEqualOption.
  same =
    loc: values:
    if all (value: value == head values) values then
      head values
    else
      throw "The option `${place loc}' has conflicting definition values: ${concatStringsSep ", " (map show values)}";

  # A type whose definitions must agree.
  plain = description: check: {
    inherit description check;
    class = "noun";
    merge = loc: defs: same loc (checked { inherit description check; } loc defs);
  };
  clause = description: check: plain description check // { class = "nonRestrictiveClause"; };

  types = rec {
    inherit
      checked
      phrase
      plain
      same
      ;

    # NixOS has it for `assertions`; its merging is not needed here.
    unspecified = plain "unspecified value" (_: true);
    bool = plain "boolean" isBool;
    str = plain "string" isString;
    nonEmptyStr = plain "non-empty string" (value: isString value && match "[ \t\n]*" value == null);
    singleLineStr =
      let
        inherit
          (plain "(optionally newline-terminated) single-line string" (
            value: isString value && match "[^\n\r]*\n?" value != null
          ))
          description
          class
          check
          merge
          ;
      in
      {
        inherit description class check;
        merge = loc: defs: builtins.head (builtins.split "\n$" (merge loc defs));
      };
    int = plain "signed integer" isInt;
    positive = clause "positive integer, meaning >0" (value: isInt value && value > 0);
    unsigned = clause "unsigned integer, meaning >=0" (value: isInt value && value >= 0);
    port = plain "16 bit unsigned integer; between 0 and 65535 (both inclusive)" (
      value: isInt value && value >= 0 && value < 65536
    );
    # Where nixpkgs has the two above.
    ints = {
      inherit positive unsigned;
      between =
        least: most:
        clause "integer between ${toString least} and ${toString most} (both inclusive)" (
          value: isInt value && value >= least && value <= most
        );
    };
    raw = plain "raw value" (_: true);
    path = plain "absolute path" (
      value:
      isStringLike value
      &&
        match "/.*" (if isString value then builtins.unsafeDiscardStringContext value else "${value}")
        != null
    );
    package = plain "package" isPackage;
    lines = {
      description = "strings concatenated with \"\\n\"";
      class = "noun";
      check = isString;
      merge = loc: defs: concatStringsSep "\n" (checked lines loc defs);
    };
    strMatching =
      pattern:
      plain "string matching the pattern ${pattern}" (
        value: isString value && match pattern value != null
      );
    enum =
      values:
      plain "one of ${concatStringsSep ", " (map builtins.toJSON values)}" (value: elem value values)
      // {
        class = "conjunction";
      };

    anything = {
      description = "anything";
      class = "noun";
      check = _: true;
      merge =
        loc: defs:
        let
          values = map (def: def.value) defs;
        in
        if all (value: isAttrs value && !isPackage value) values then
          (attrsOf anything).merge loc defs
        else
          same loc values;
    };

    listOf = inner: {
      description = "list of ${phrase [ "noun" "composite" ] inner}";
      class = "composite";
      check = isList;
      merge =
        loc: defs:
        let
          values = checked (listOf inner) loc defs;
          items = builtins.concatLists values;
        in
        builtins.genList (
          index:
          inner.merge (loc ++ [ "[${toString index}]" ]) [
            {
              file = (head defs).file;
              value = builtins.elemAt items index;
            }
          ]
        ) (length items);
    };

    attrsOf = inner: {
      description = "attribute set of ${phrase [ "noun" "composite" ] inner}";
      class = "composite";
      check = isAttrs;
      merge =
        loc: defs:
        let
          values = checked (attrsOf inner) loc defs;
          names = attrNames (builtins.foldl' (all: value: all // value) { } values);
        in
        builtins.seq (length values) (
          listToAttrs (
            map (name: {
              inherit name;
              value = inner.merge (loc ++ [ name ]) (
                types.strongest (
                  builtins.concatMap (
                    def:
                    if def.value ? ${name} then
                      [
                        {
                          inherit (def) file;
                          value = def.value.${name};
                        }
                      ]
                    else
                      [ ]
                  ) defs
                )
              );
            }) names
          )
        );
    };

    nullOr = inner: {
      description = "null or ${phrase [ "noun" "conjunction" ] inner}";
      class = "conjunction";
      check = value: value == null || inner.check value;
      merge =
        loc: defs:
        let
          values = checked (nullOr inner) loc defs;
        in
        if all (value: value == null) values then
          null
        else if all (value: value != null) values then
          inner.merge loc defs
        else
          throw "The option `${place loc}` is defined both null and not null";
    };

    either = one: other: {
      description =
        let
          last = phrase [ "noun" "conjunction" ] other;
        in
        if one.class or null == "nonRestrictiveClause" then
          "${one.description}, or ${last}"
        else
          "${phrase [ "noun" "conjunction" ] one} or ${phrase [ "noun" "conjunction" "composite" ] other}";
      class = "conjunction";
      check = value: one.check value || other.check value;
      merge =
        loc: defs:
        if all (def: one.check def.value) defs then
          one.merge loc defs
        else
          builtins.seq (checked (either one other) loc defs) (other.merge loc defs);
    };

    # Overridden by modules.nix, which knows how modules are evaluated.
    submodule = _: throw "types.submodule comes from modules.nix";

    # Takes conditions and priorities off definitions of one value, and leaves the strongest.
    strongest =
      defs:
      let
        discharge =
          def:
          let
            value = def.value;
            kind = if isAttrs value then value._type or "" else "";
          in
          if kind == "if" then
            (if value.condition then discharge (def // { value = value.content; }) else [ ])
          else if kind == "merge" then
            builtins.concatMap (content: discharge (def // { value = content; })) value.contents
          else if kind == "override" then
            # Its content is not looked at: a default that loses is never evaluated.
            [
              {
                inherit (def) file;
                inherit (value) priority;
                value = value.content;
              }
            ]
          else
            [ ({ priority = 100; } // def) ];
        flat = builtins.concatMap discharge defs;
        best = builtins.foldl' (least: def: if def.priority < least then def.priority else least) 9999 flat;
        # lib/modules.nix, sortProperties: what has an order, beside 1000 for all others.
        ordered =
          def:
          if isAttrs def.value && (def.value._type or "") == "order" then
            { order = def.value.priority; } // def // { value = def.value.content; }
          else
            { order = 1000; } // def;
        sorted = builtins.sort (one: other: one.order < other.order) (
          map ordered (filter (def: def.priority == best) flat)
        );
      in
      map (
        def:
        removeAttrs def [
          "order"
          "priority"
        ]
      ) sorted;
  };
in
types
