# flake_check_test.py - `nix flake check --no-build` and `nix flake init -t` by the real Nix with the real nixpkgs.
import os
import shutil
import subprocess
import unittest

import harness
import nixpkgs
from harness import Sandbox


class FlakeCheck(unittest.TestCase):
    def setUp(self):
        if nixpkgs.missing():
            self.skipTest(nixpkgs.missing())
        self.sandbox = self.enterContext(Sandbox())
        self.source = self.sandbox.path("source")
        # Without what a build left there, which would be copied into the store.
        listed = subprocess.run(["git", "-C", harness.SOURCE, "ls-files", "-coz", "--exclude-standard"], capture_output=True, text=True,
                                check=False)
        if listed.returncode != 0:
            self.skipTest(f"git does not list the files of {harness.SOURCE}")
        for name in filter(None, listed.stdout.split("\0")):
            if os.path.isfile(os.path.join(harness.SOURCE, name)):
                target = os.path.join(self.source, name)
                os.makedirs(os.path.dirname(target), exist_ok=True)
                shutil.copy(os.path.join(harness.SOURCE, name), target)

    def nix(self, *words, cwd="/"):
        done = subprocess.run([nixpkgs.NIX, "--extra-experimental-features", "nix-command flakes", *words], cwd=cwd, text=True,
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=1200, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout + done.stderr

    def test_a_flake_that_is_clean(self):
        flake = f"path:{self.source}"
        self.nix("flake", "lock", "--offline", flake, "--override-input", "nixpkgs", f"path:{nixpkgs.TREE}")
        said = self.nix("flake", "check", "--offline", "--no-build", "--option", "allow-import-from-derivation", "false", flake)
        self.assertIn("all checks passed", said)
        self.assertNotIn("unknown flake output", said)
        self.assertNotIn("evaluation warning", said)
        for template, files in (("default", {"AGENTS.md", "agentvm.toml"}), ("nixos", {"agents.nix", "flake.nix", "hardware.nix"})):
            made = self.sandbox.path("made", template)
            os.makedirs(made)
            self.nix("flake", "init", "--offline", "-t", f"{flake}#{template}", cwd=made)
            self.assertEqual(set(os.listdir(made)), files)


if __name__ == "__main__":
    harness.main()
