# options_page.nix - docs/options.md as one string: every option of the modules, as they describe themselves.
{ nixpkgs }:
let
  pkgs = import nixpkgs {
    system = "x86_64-linux";
    config = { };
    overlays = [ ];
  };
  inherit (pkgs) lib;

  # Declarations alone: what they define belongs to NixOS and Home Manager, which are not looked at.
  optionsOf =
    modules: wanted:
    lib.filter
      (
        option:
        !option.internal && option.visible && builtins.head option.loc != "_module" && wanted option.loc
      )
      (
        lib.optionAttrSetToDocList
          (lib.evalModules {
            modules = modules ++ [ { _module.check = false; } ];
            specialArgs = { inherit pkgs; };
          }).options
      );

  code =
    text: if lib.hasInfix "\n" text then "\n\n  ```nix\n${indented text}\n  ```" else " `${text}`";
  indented =
    text: lib.concatMapStringsSep "\n" (line: if line == "" then "" else "  ${line}") (lines text);
  lines = text: lib.splitString "\n" (lib.removeSuffix "\n" text);
  flat = text: lib.concatStringsSep " " (lib.filter (line: line != "") (lines text));
  # The manual's markup, which Markdown does not have.
  plain =
    builtins.replaceStrings
      [
        "{option}"
        "{file}"
        "{env}"
        "{command}"
      ]
      [
        ""
        ""
        ""
        ""
      ];
  valueOf = value: plain (value.text or (lib.generators.toPretty { } value));

  entry =
    option:
    "### `${lib.showOption option.loc}`\n\n"
    + flat (plain (option.description.text or option.description))
    + "\n\n* Type: ${option.type}"
    + lib.optionalString option.readOnly " (read-only)"
    + lib.optionalString (option ? default) "\n* Default:${code (valueOf option.default)}"
    + lib.optionalString (option ? example) "\n* Example:${code (valueOf option.example)}"
    + "\n";

  section =
    title: about: options:
    "## ${title}\n\n${about}\n\n${lib.concatMapStringsSep "\n" entry options}";
  all = _: true;
in
''
  # Options of the modules

  Made from the modules by `tests/nix/options_test.py --write`, with a test that it is what they say now. How they are used:
  [nixos.md](nixos.md). The keys of a profile: [profile.md](profile.md).

''
+ lib.concatStringsSep "\n" [
  (section "A NixOS host: `nixosModules.default`"
    "The network helper, pools, VMs as units, and the program with profiles for all users. It brings `programs.codex` too, below."
    (
      optionsOf [ ../../nixos-module ] (
        loc:
        lib.take 2 loc != [
          "programs"
          "codex"
        ]
      )
    )
  )
  (section "Codex on NixOS: `nixosModules.codex`" "For a host, and for a guest's `guest.modules`." (
    optionsOf [ ../../nixos-module/codex.nix ] all
  ))
  (section "Home Manager: `homeModules.default`"
    "The program, a user's own profiles, and Codex on the host."
    (optionsOf [ ../../nixos-module/home-manager.nix ] all)
  )
  (section "A guest: `nixosModules.guest`"
    "Beside microvm.nix's own module. `agentvm definition` sets most of them from the profile; a module of `guest.modules` may set them too."
    (optionsOf [ ../../templates/nix/guest.nix ] all)
  )
]
