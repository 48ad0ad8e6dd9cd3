# real_flake_test.py - a definition and the repository's packages as a real Nix takes flakes: with locks, inputs and a store.
import json
import os
import shutil
import unittest

import harness
import real
from harness import Sandbox

# What flake.nix reads; a build directory beside them would be copied into the store too.
PARTS = ("CMakeLists.txt", "LICENSE", "README.md", "base", "docs", "flake.nix", "guest", "launcher", "network", "nixos-module",
         "templates", "vmspec")
SYSTEM = "x86_64-linux"
# nixpkgs where it is: as an input it would be copied, half a gigabyte of it.
NIXPKGS = """\
{{
  outputs = _: let self = (import {tree}/flake.nix).outputs {{ inherit self; }} // {{ outPath = {tree}; }}; in self;
}}
"""


class RealFlake(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        if real.MISSING:
            raise unittest.SkipTest(real.MISSING)
        cls.sandbox = cls.enterClassContext(Sandbox())
        cls.flake = cls.sandbox.path("agentvm")
        os.mkdir(cls.flake)
        for part in PARTS:
            source = os.path.join(real.SOURCE, part)
            if os.path.isdir(source):
                shutil.copytree(source, os.path.join(cls.flake, part))
            else:
                shutil.copy(source, cls.flake)
        cls.nixpkgs = os.path.dirname(cls.sandbox.write("nixpkgs/flake.nix", NIXPKGS.format(tree=real.TREES["nixpkgs"])))
        cls.nix("flake", "lock", f"path:{cls.flake}", inputs={"nixpkgs": cls.nixpkgs})

    @classmethod
    def nix(cls, *words, inputs=None, limit=300):
        """nix with a store in the sandbox, which nothing is built in."""
        overrides = [word for name, path in (inputs or {}).items() for word in ("--override-input", name, f"path:{path}")]
        settings = "build-users-group =\nfsync-metadata = false\nsubstituters =\nallow-import-from-derivation = false\n"
        # Nix's own variable comes first in the file that a wrapper may have set.
        return real.run([*words, *overrides, "--store", cls.sandbox.path("store"), "--impure"], cls.sandbox.path("home"), limit,
                        more={"NIX_CONFIG": os.environ.get("NIX_CONFIG", "") + "\n" + settings})

    def test_what_is_built(self):
        expression = """flake: {
          packages = builtins.mapAttrs (_: package: { inherit (package) name drvPath; }) flake.packages.x86_64-linux;
          shell = flake.devShells.x86_64-linux.default.drvPath;
        }"""
        shown, _ = self.nix("eval", "--read-only", "--json", f"path:{self.flake}#.", "--apply", expression)
        found = json.loads(shown)
        self.assertEqual(found["packages"]["default"], found["packages"]["agentvm"])
        for name in ("agentvm", "agentvm-guest"):
            self.assertRegex(found["packages"][name]["drvPath"], rf"\A/nix/store/[0-9a-z]{{32}}-{name}(-static)?(-x86_64-unknown-linux-musl)?-[0-9.]+\.drv\Z")
        self.assertTrue(found["shell"].endswith("-nix-shell.drv"), found)

    def test_a_definition(self):
        if not harness.BIN:
            self.skipTest("AGENTVM_BIN_DIR is not set")
        directory = self.sandbox.path("definition")
        profile = self.sandbox.write("profiles/small.toml", 'agent = { kind = "command", command = ["true"] }\n')
        run = self.sandbox.run("definition", "-o", directory, "--profile", profile)
        self.assertEqual(run.code, 0, run)
        inputs = {"nixpkgs": self.nixpkgs, "microvm": real.TREES["microvm"], "agentvm": self.flake}
        self.nix("flake", "lock", f"path:{directory}", inputs=inputs)
        with open(f"{directory}/flake.lock", encoding="utf-8") as file:
            nodes = json.load(file)["nodes"]
        self.assertEqual(set(nodes["root"]["inputs"]), set(inputs))
        self.assertEqual(nodes["microvm"]["inputs"], {"nixpkgs": ["nixpkgs"], "spectrum": []})
        self.assertEqual(nodes["agentvm"]["inputs"], {"nixpkgs": ["nixpkgs"]})
        for package in ("default", "runner"):
            shown, _ = self.nix("eval", "--read-only", "--raw", f"path:{directory}#packages.{SYSTEM}.{package}.drvPath")
            self.assertRegex(shown, r"\A/nix/store/[0-9a-z]{32}-(agentvm|microvm-cloud-hypervisor)-small\.drv\Z")


if __name__ == "__main__":
    harness.main()
