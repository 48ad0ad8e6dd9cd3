# modules.nix - evalModules: modules with options and definitions become one configuration, or an error that names the option.
let
  inherit (builtins)
    attrNames
    concatMap
    concatStringsSep
    foldl'
    isAttrs
    isFunction
    isPath
    isString
    listToAttrs
    map
    ;
  types = import ./types.nix;
  inherit (types) strongest;

  isOption = value: isAttrs value && (value._type or "") == "option";
  unique =
    names:
    attrNames (
      listToAttrs (
        map (name: {
          inherit name;
          value = null;
        }) names
      )
    );

  # One module as { file, options, config, imports }.
  load =
    args: module:
    let
      named = isPath module || isString module;
      raw = if named then import module else module;
      value = if isFunction raw then raw args else raw;
      file = if named then toString module else value._file or "inline";
      explicit = value ? options || value ? config;
      extra = removeAttrs value [
        "options"
        "config"
        "imports"
        "_file"
        "key"
        "disabledModules"
      ];
    in
    if !isAttrs value then
      throw "The module ${file} is not a set"
    else if explicit && extra != { } then
      throw "The module ${file} has options or config beside `${concatStringsSep "', `" (attrNames extra)}'"
    else
      {
        inherit file;
        options = value.options or { };
        config = if explicit then value.config or { } else extra;
        imports = value.imports or [ ];
      };

  # Modules, what they import, what that imports. The last comes first where definitions are put together (lib/modules.nix of
  # nixpkgs, collectModules: genericClosure, reversed).
  loadAll =
    args: modules:
    let
      loaded = map (load args) modules;
      imported = concatMap (module: module.imports) loaded;
    in
    (if imported == [ ] then [ ] else loadAll args imported) ++ reverse loaded;
  # A file that is imported twice is one module (the same place: genericClosure's key).
  once =
    modules:
    (foldl'
      (
        done: module:
        if module.file != "inline" && done.seen ? ${module.file} then
          done
        else
          {
            seen = done.seen // {
              ${module.file} = null;
            };
            modules = done.modules ++ [ module ];
          }
      )
      {
        seen = { };
        modules = [ ];
      }
      modules
    ).modules;
  reverse = foldl' (done: one: [ one ] ++ done) [ ];

  # All declarations as one tree of options.
  declare =
    loc: trees:
    let
      options = builtins.filter isOption trees;
    in
    if options != [ ] then
      (
        if builtins.length trees > 1 then
          throw "The option `${concatStringsSep "." loc}' is already declared"
        else
          builtins.head options
      )
    else
      listToAttrs (
        map (name: {
          inherit name;
          value = declare (loc ++ [ name ]) (
            concatMap (tree: if tree ? ${name} then [ tree.${name} ] else [ ]) trees
          );
        }) (unique (concatMap attrNames trees))
      );

  # The pieces of a configuration with the condition that stands before each. A condition is not looked at here: it may ask for
  # the very configuration that is being put together.
  pieces =
    value:
    let
      kind = if isAttrs value then value._type or "" else "";
    in
    if kind == "if" then
      map (piece: {
        inherit (piece) value;
        under =
          content:
          value
          // {
            content = piece.under content;
          };
      }) (pieces value.content)
    else if kind == "merge" then
      concatMap pieces value.contents
    else
      [
        {
          inherit value;
          under = content: content;
        }
      ];

  # Throws for the first definition of an option that nobody declares.
  checkNames =
    loc: options: file: value:
    let
      unknown = "The option `${concatStringsSep "." loc}' does not exist (${file})";
      below =
        piece:
        if !isAttrs piece || (piece ? _type) then
          throw unknown
        else
          foldl' (
            done: name:
            builtins.seq (
              if options ? ${name} then
                checkNames (loc ++ [ name ]) options.${name} file piece.${name}
              else
                throw "The option `${concatStringsSep "." (loc ++ [ name ])}' does not exist (${file})"
            ) done
          ) true (attrNames piece);
    in
    if isOption options then
      true
    else
      foldl' (done: piece: builtins.seq (below piece.value) done) true (pieces value);

  valueOf =
    loc: option: defs:
    let
      definitions = strongest defs;
      withDefault = strongest (
        defs
        ++ (
          if option ? default then
            [
              {
                file = "default";
                value = {
                  _type = "override";
                  priority = 1500;
                  content = option.default;
                };
              }
            ]
          else
            [ ]
        )
      );
    in
    if option.readOnly or false && builtins.length definitions > 1 then
      throw "The option `${concatStringsSep "." loc}' is read-only, and is set several times"
    else if withDefault == [ ] then
      throw "The option `${concatStringsSep "." loc}' was accessed but has no value defined"
    else
      option.type.merge loc withDefault;

  configure =
    loc: options: parts:
    builtins.mapAttrs (_: branch: branch.value) (branches loc options parts);

  # What is set or has a default, and nothing else: all of it can be evaluated.
  configureDefined =
    loc: options: parts:
    builtins.mapAttrs (_: branch: if branch.option then branch.value else branch.defined) (
      filterAttrs (branch: branch.option -> branch.set) (branches loc options parts)
    );

  filterAttrs =
    keep: attributes:
    listToAttrs (
      map (name: {
        inherit name;
        value = attributes.${name};
      }) (builtins.filter (name: keep attributes.${name}) (attrNames attributes))
    );

  branches =
    loc: options: parts:
    builtins.mapAttrs (
      name: option:
      let
        inner = concatMap (
          part:
          concatMap (
            piece:
            if piece.value ? ${name} then
              [
                {
                  inherit (part) file;
                  value = piece.under piece.value.${name};
                }
              ]
            else
              [ ]
          ) (pieces part.value)
        ) parts;
      in
      if isOption option then
        {
          option = true;
          value = valueOf (loc ++ [ name ]) option inner;
          set = option ? default || strongest inner != [ ];
        }
      else
        {
          option = false;
          value = configure (loc ++ [ name ]) option inner;
          defined = configureDefined (loc ++ [ name ]) option inner;
        }
    ) options;
in
rec {
  # specialArgs are what modules are called with, beside config and options.
  evalModules =
    {
      modules,
      specialArgs ? { },
    }:
    let
      args = specialArgs // {
        inherit config options;
      };
      loaded = once (loadAll args modules);
      options = declare [ ] (map (module: module.options) loaded);
      known = foldl' (
        done: module: builtins.seq (checkNames [ ] options module.file module.config) done
      ) true loaded;
      parts = map (module: {
        inherit (module) file;
        value = module.config;
      }) loaded;
      config = configure [ ] options parts;
    in
    {
      inherit config options;
      # Everything that is set, for a whole look at it: a real evaluation finds a mistake only when it comes to need it.
      all = builtins.seq known (configureDefined [ ] options parts);
    };

  # A type whose values have options of their own, which a module declares.
  submodule = module: {
    description = "submodule";
    check = value: isAttrs value || isFunction value;
    merge =
      loc: defs:
      let
        evaluated = evalModules {
          specialArgs.name = builtins.elemAt loc (builtins.length loc - 1);
          modules = [
            module
          ]
          ++ map (def: {
            _file = "${def.file}, ${concatStringsSep "." loc}";
            config = def.value;
          }) defs;
        };
      in
      evaluated.all;
  };
}
