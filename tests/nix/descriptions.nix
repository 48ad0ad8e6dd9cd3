# descriptions.nix - the types of the table microvm_options.json in the words of nixpkgs.
(import ./world.nix { }).descriptions
