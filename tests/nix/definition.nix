# definition.nix - evaluates a definition as a flake in the made-up world; what is in it, or the first mistake.
# `release`: of the nixpkgs that it is evaluated with.
{
  directory,
  release ? "26.11",
}:
let
  world = import ./world.nix { inherit release; };
  flake = import (directory + "/flake.nix");

  # A flake's inputs are read before anything is evaluated: literal strings in sets (Nix manual, "Flake inputs").
  checkInput =
    name: input:
    let
      unknown = builtins.attrNames (
        removeAttrs input [
          "url"
          "inputs"
          "flake"
        ]
      );
    in
    if unknown != [ ] then
      throw "the input ${name} has ${toString unknown}"
    else if !(builtins.isString input.url) || input.url == "" then
      throw "the input ${name} has no url"
    else
      {
        inherit (input) url;
        follows = builtins.mapAttrs (
          other: followed:
          if followed.follows == "" || flake.inputs ? ${followed.follows} then
            followed.follows
          else
            throw "the input ${name}.${other} follows ${followed.follows}, which is none"
        ) (input.inputs or { });
      };
  inputs = builtins.mapAttrs checkInput flake.inputs;
  unused = builtins.filter (name: !(builtins.hasAttr name world.inputs)) (builtins.attrNames inputs);
  outputs = world.call "/definition" flake (builtins.intersectAttrs flake.inputs world.inputs);
  name = builtins.head (builtins.attrNames outputs.nixosConfigurations);
  inherit (outputs.nixosConfigurations.${name}) all;
  image = outputs.packages.x86_64-linux.default;
in
if unused != [ ] then
  throw "the inputs ${toString unused} are not known here"
else
  {
    inherit name inputs;
    inherit (flake) description;
    # Strings and lists only: no functions, and each derivation as its path.
    config = builtins.deepSeq all (builtins.removeAttrs all [ "agentvm" ]);
    inherit (all.agentvm) manifest;
    image = {
      inherit (image) name;
      files = builtins.attrNames image.entries;
      manifest = builtins.fromJSON (
        builtins.unsafeDiscardStringContext image.entries."manifest.json".text
      );
    };
    runner = "${outputs.packages.x86_64-linux.runner}";
  }
