# real_world.nix - the inputs of a definition from trees of the real sources, and a definition's machine.
{
  # Directories by the names of inputs (real.py).
  trees,
  # Of this repository.
  source,
  # What lib.trivial.release is to say; null: what nixpkgs says.
  release ? null,
  ...
}:
let
  system = "x86_64-linux";

  # A flake's outputs without the copy into the store and the lock: "${self}" is the directory itself.
  call =
    place: inputs:
    let
      flake = import (place + "/flake.nix");
      self = flake.outputs (inputs // { inherit self; }) // {
        outPath = place;
        inherit inputs;
        _type = "flake";
        sourceInfo.outPath = place;
      };
    in
    self;

  real = call trees.nixpkgs { };
  nixpkgs =
    if release == null then
      real
    else
      real
      // {
        lib = real.lib.extend (
          _: previous: {
            trivial = previous.trivial // {
              inherit release;
            };
          }
        );
      };
  pkgs = nixpkgs.legacyPackages.${system};
  has = builtins.all (name: trees ? ${name});

  # In the place of an agent whose tree is not at hand: any program.
  madeUp.packages.${system} = builtins.listToAttrs (
    map
      (name: {
        inherit name;
        value = pkgs.hello;
      })
      [
        "default"
        "codex"
        "claude-code"
        "gemini-cli"
        "opencode"
      ]
  );
  flake-utils = call trees.flake-utils { systems = trees.systems; };
  blueprint = import (trees.blueprint + "/lib") {
    inputs = {
      inherit nixpkgs;
      inherit (trees) systems;
    };
  };
in
rec {
  inherit
    call
    nixpkgs
    pkgs
    system
    ;

  inputs = {
    inherit nixpkgs;
    microvm = call trees.microvm {
      inherit nixpkgs;
      # Of graphics alone; a definition has nothing in its place either.
      spectrum = null;
    };
    agentvm = call source { inherit nixpkgs; };
    codex-cli-nix =
      if
        has [
          "codex-cli-nix"
          "flake-utils"
          "systems"
        ]
      then
        call trees.codex-cli-nix { inherit nixpkgs flake-utils; }
      else
        madeUp;
    llm-agents =
      if
        has [
          "llm-agents"
          "blueprint"
          "systems"
        ]
      then
        call trees.llm-agents {
          inherit nixpkgs blueprint;
          # Of its formatter alone.
          treefmt-nix.lib.mkWrapper = _: _: pkgs.hello;
        }
      else
        madeUp;
    agent-flake = madeUp;
  };

  # What a definition has that `agentvm definition` wrote, with its own inputs only.
  outputsOf =
    directory:
    let
      wanted = (import (directory + "/flake.nix")).inputs;
      unknown = builtins.attrNames (removeAttrs wanted (builtins.attrNames inputs));
    in
    if unknown == [ ] then
      call directory (builtins.intersectAttrs wanted inputs)
    else
      throw "the inputs ${toString unknown} of ${directory} are not known here";
  machineOf =
    outputs:
    outputs.nixosConfigurations.${builtins.head (builtins.attrNames outputs.nixosConfigurations)};
}
