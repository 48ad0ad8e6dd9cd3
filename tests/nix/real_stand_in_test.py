# real_stand_in_test.py - the made-up nixpkgs of tests/nix against the real one: options' types, functions, names of packages.
import json
import os
import unittest

import harness
import nix
import real
from harness import Sandbox

# Names that need quotes, which no package has.
MADE_UP = {"gtk+", "with"}


class StandIn(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        if real.MISSING or nix.MISSING:
            raise unittest.SkipTest(real.MISSING or nix.MISSING)
        with open(os.path.join(nix.HERE, "packages.json"), encoding="utf-8") as file:
            packages = sorted(set(json.load(file)) - MADE_UP)
        with Sandbox() as sandbox:
            home = sandbox.path("home")
            cls.mine = nix.evaluate("stand_in.nix", home)
            cls.real, _ = real.evaluate("real_stand_in.nix", home, names=sorted(cls.mine["options"]), packages=packages)

    def test_types_of_options(self):
        self.assertGreater(len(self.mine["options"]), 90)
        self.assertEqual(self.mine["options"], self.real["options"])

    def test_functions_and_types(self):
        mine, true = self.mine["samples"], self.real["samples"]
        self.assertEqual(mine.keys(), true.keys())
        for part, samples in mine.items():
            for name, value in samples.items() if isinstance(samples, dict) else [("", samples)]:
                with self.subTest(part=part, name=name):
                    self.assertEqual(value, true[part][name] if name else true[part])

    def test_packages(self):
        self.assertEqual(self.real["missing"], [])


if __name__ == "__main__":
    harness.main()
