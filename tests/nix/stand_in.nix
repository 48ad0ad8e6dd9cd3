# stand_in.nix - what the made-up nixpkgs says of its options' types, and how its functions and types work.
let
  world = import ./world.nix { };
in
{
  options = world.descriptions;
  samples = import ./stand_in_samples.nix {
    inherit (world) lib;
    types = {
      inherit (world.lib.types)
        unitName
        unitOption
        kernelParam
        attrNamesToTrue
        sysctl
        checkedStr
        mountOptions
        passwdStr
        passwdPath
        gitConfig
        nixConf
        ;
    };
  };
}
