# real_mistakes.nix - which of several wrong definitions the real NixOS and microvm.nix take all the same.
{ cases, ... }@request:
let
  world = import ./real_world.nix request;
in
builtins.mapAttrs (
  _: directory:
  let
    inherit (world.machineOf (world.outputsOf directory)) config;
  in
  (builtins.tryEval (
    builtins.deepSeq [
      config.system.build.toplevel.drvPath
      config.agentvm.image.drvPath
    ] true
  )).success
) cases
