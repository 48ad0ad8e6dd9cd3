# guest.nix - the NixOS side of an agentvm guest: the agent's account and programs, agentvm-guest, a quick boot.
#
# Imported beside microvm.nixosModules.microvm. The same closure boots under agentvm and under microvm.nix alone: agentvm puts
# `agentvm.transport=...` on the kernel's command line, and what only it can answer is started only then.
{ lib, ... }:
let
  # The oldest NixOS this is for; what is older fails deep inside microvm.nix or here, with words about neither.
  oldest = "26.05";
in
if lib.versionOlder lib.trivial.release oldest then
  throw "agentvm's guest needs NixOS ${oldest} or newer, and this nixpkgs is of ${lib.trivial.release}: set guest.nixpkgs to a newer one, such as github:NixOS/nixpkgs/nixos-unstable"
else
  {
    imports = [
      ./guest/account.nix
      ./guest/alone.nix
      ./guest/manifest.nix
      ./guest/network.nix
      ./guest/options.nix
      ./guest/quick_boot.nix
      ./guest/service.nix
    ];

    # Nothing is kept from one VM to the next.
    system.stateVersion = lib.mkDefault lib.trivial.release;
  }
