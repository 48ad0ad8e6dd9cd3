# real_vm_test.nix - nixos-module/vm-test.nix down to its derivation, with the real NixOS and microvm.nix.
request:
let
  world = import ./real_world.nix request;
  test = world.inputs.agentvm.lib.vmTest { inherit (world.inputs) microvm; };
in
{
  inherit (test) name;
  derivation = test.drvPath;
  script = test.driver.drvPath;
}
