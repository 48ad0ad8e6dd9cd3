# options_test.py - docs/options.md is what the modules say of their options now; --write makes it anew.
import os
import sys
import unittest

import harness
import nixpkgs

PAGE = os.path.join(harness.SOURCE, "docs", "options.md")


class Options(unittest.TestCase):
    maxDiff = None

    def test_the_page_is_made_of_the_modules(self):
        if nixpkgs.missing():
            self.skipTest(nixpkgs.missing())
        with open(PAGE, encoding="utf-8") as page:
            self.assertEqual(page.read(), nixpkgs.evaluate("options_page.nix"), "make it anew: tests/nix/options_test.py --write")


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        if nixpkgs.missing():
            sys.exit(nixpkgs.missing())
        with open(PAGE, "w", encoding="utf-8") as made:
            made.write(nixpkgs.evaluate("options_page.nix"))
    else:
        harness.main()
