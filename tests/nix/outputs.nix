# outputs.nix - evaluates the outputs of the repository's own flake.nix in the made-up world.
let
  made = import ./host_world.nix;
  inherit (made.world) agentvm;
  system = "x86_64-linux";
  flake = import ../../flake.nix;
  host = made.nixos [
    agentvm.nixosModules.default
    { services.agentvm.enable = true; }
  ];
  overlaid = agentvm.overlays.default made.pkgs made.pkgs;
in
{
  names = builtins.attrNames (removeAttrs agentvm [ "outPath" ]);
  inputs = builtins.mapAttrs (_: input: input.url) flake.inputs;
  packages = builtins.mapAttrs (_: package: package.name) agentvm.packages.${system};
  overlay = builtins.mapAttrs (_: package: package.name) overlaid;
  app = agentvm.apps.${system}.default;
  checks = builtins.attrNames agentvm.checks.${system};
  shell = agentvm.devShells.${system}.default.name;
  # A guest without a definition.
  image =
    (agentvm.lib.mkGuest {
      inherit (made.world.inputs) microvm;
    }).name;
  modules = builtins.attrNames agentvm.nixosModules;
  templates = builtins.mapAttrs (_: template: {
    inherit (template) description;
    files = builtins.attrNames (builtins.readDir template.path);
  }) agentvm.templates;
  # What the host's module asks of its user and finds wrong in its own defaults.
  failed = map (assertion: assertion.message) (
    builtins.filter (assertion: !assertion.assertion) (host.assertions or [ ])
  );
  hostPackages = map (package: package.name) host.environment.systemPackages;
}
