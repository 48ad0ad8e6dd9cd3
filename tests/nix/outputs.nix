# outputs.nix - evaluates every output of the repository's own flake.nix in the made-up world.
let
  world = import ./world.nix { };
  inherit (world) agentvm;
  system = "x86_64-linux";
  flake = import ../../flake.nix;
  host = world.nixosSystem {
    inherit system;
    modules = [
      agentvm.nixosModules.default
      { services.agentvm.enable = true; }
    ];
  };
in
{
  names = builtins.attrNames (removeAttrs agentvm [ "outPath" ]);
  inputs = builtins.mapAttrs (_: input: input.url) flake.inputs;
  packages = builtins.mapAttrs (_: package: package.name) agentvm.packages.${system};
  app = agentvm.apps.${system}.default;
  checks = builtins.mapAttrs (_: check: check.name) agentvm.checks.${system};
  shell = agentvm.devShells.${system}.default.name;
  template = {
    inherit (agentvm.templates.default) description;
    files = builtins.attrNames (builtins.readDir agentvm.templates.default.path);
  };
  # What the host's module asks of its user and finds wrong in its own defaults.
  failed = map (assertion: assertion.message) (
    builtins.filter (assertion: !assertion.assertion) (host.all.assertions or [ ])
  );
  hostPackages = map (package: package.name) host.all.environment.systemPackages;
}
