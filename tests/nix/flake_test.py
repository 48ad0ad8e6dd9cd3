# flake_test.py - the repository's own flake.nix: every output evaluates, with inputs made up.
import unittest

import harness
import nix
from harness import Sandbox


class Flake(unittest.TestCase):
    def test_outputs(self):
        if nix.MISSING:
            self.skipTest(nix.MISSING)
        with Sandbox() as sandbox:
            outputs = nix.evaluate("outputs.nix", sandbox.path("home"))
        self.assertEqual(outputs["names"], ["apps", "checks", "devShells", "formatter", "homeModules", "lib", "nixosModules",
                                            "overlays", "packages", "templates"])
        self.assertEqual(outputs["inputs"], {"nixpkgs": "github:NixOS/nixpkgs/nixos-unstable"})
        packages = outputs["packages"]
        self.assertEqual(packages["default"], packages["agentvm"])
        self.assertRegex(packages["agentvm"], r"\Aagentvm-\d+\.\d+\.\d+\Z")
        self.assertRegex(packages["agentvm-guest"], r"\Aagentvm-guest-\d+\.\d+\.\d+\Z")
        self.assertEqual(outputs["app"]["type"], "app")
        self.assertTrue(outputs["app"]["program"].endswith("/bin/agentvm"))
        self.assertTrue(outputs["app"]["meta"]["description"])
        self.assertEqual(outputs["checks"], ["agentvm", "agentvm-guest", "home-module", "nixos-module"])
        self.assertEqual(outputs["overlay"], {name: packages[name] for name in ("agentvm", "agentvm-guest")})
        self.assertEqual(outputs["image"], "agentvm-agentvm")
        self.assertEqual(outputs["modules"], ["codex", "default", "guest"])
        self.assertEqual(outputs["templates"]["default"]["files"], ["AGENTS.md", "agentvm.toml"])
        self.assertIn("flake.nix", outputs["templates"]["nixos"]["files"])
        self.assertEqual(outputs["failed"], [])
        self.assertIn(packages["agentvm"], outputs["hostPackages"], "services.agentvm.enable installs it")


if __name__ == "__main__":
    harness.main()
