# real_stand_in.nix - what the real nixpkgs, NixOS and microvm.nix have in the place of the stand-ins.
{ names, packages, ... }@request:
let
  world = import ./real_world.nix request;
  inherit (world.nixpkgs) lib;
  inherit
    (lib.nixosSystem {
      modules = [
        world.inputs.microvm.nixosModules.microvm
        { nixpkgs.hostPlatform = world.system; }
      ];
    })
    options
    ;

  # "systemd.services.*.after": what stands before "*" is an option whose values have options.
  look =
    at: parts:
    if parts == [ ] then
      at
    else if (at._type or "") == "option" then
      lookInside at.type parts
    else if at ? ${builtins.head parts} then
      look at.${builtins.head parts} (builtins.tail parts)
    else
      null;
  # Options of a submodule, or what it takes beside them, wherever in the type the submodule is.
  lookInside =
    type: parts:
    let
      options = removeAttrs (type.getSubOptions [ ]) [
        "_module"
        "_freeformOptions"
      ];
      nested = type.nestedTypes or { };
    in
    if options ? ${builtins.head parts} then
      look options parts
    else if nested ? freeformType then
      { inherit (nested.freeformType.nestedTypes.elemType) description; }
    else if nested ? elemType then
      lookInside nested.elemType parts
    else if nested ? right then
      lookInside nested.right parts
    else
      null;
  described =
    name:
    let
      option = look options (builtins.filter (part: part != "*") (lib.splitString "." name));
    in
    if option == null then
      null
    else if (option._type or "") == "option" then
      option.type.description
    else
      option.description;
  of = name: (look options (builtins.filter (part: part != "*") (lib.splitString "." name))).type;
  element = name: (of name).nestedTypes.elemType;
in
{
  options = lib.genAttrs names described;
  samples = import ./stand_in_samples.nix {
    inherit lib;
    types = {
      unitName = element "systemd.services.*.after";
      unitOption = element "systemd.services.*.serviceConfig";
      kernelParam = element "boot.kernelParams";
      attrNamesToTrue = of "boot.kernelModules";
      sysctl = of "boot.kernel.sysctl";
      checkedStr = of "fileSystems.*.fsType";
      mountOptions = of "fileSystems.*.options";
      passwdStr = element "users.groups.*.members";
      passwdPath = of "users.users.*.home";
      gitConfig = of "programs.git.config";
      nixConf = (of "nix.settings").nestedTypes.freeformType.nestedTypes.elemType;
    };
  };
  # Which of these nixpkgs has not.
  missing = builtins.filter (name: !lib.hasAttrByPath (lib.splitString "." name) world.pkgs) packages;
}
