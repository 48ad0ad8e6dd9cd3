# real_vm_test.py - the test of a whole host in a VM (lib.vmTest) evaluates with the real NixOS; nothing of it is booted here.
import ast
import os
import re
import textwrap
import unittest

import harness
import real
from harness import Sandbox


class VmTest(unittest.TestCase):
    def test_it_comes_down_to_a_derivation(self):
        if real.MISSING:
            self.skipTest(real.MISSING)
        with Sandbox() as sandbox:
            test, _ = real.evaluate("real_vm_test.nix", sandbox.path("home"), 600)
        self.assertEqual(test["name"], "vm-test-run-agentvm-pool")
        self.assertTrue(test["derivation"].endswith("-vm-test-run-agentvm-pool.drv"), test)

    def test_its_script_is_python(self):
        """And says nothing of the command line that this program does not know."""
        with open(os.path.join(real.SOURCE, "nixos-module", "vm-test.nix"), encoding="utf-8") as file:
            script = textwrap.dedent(re.search(r"testScript = ''\n(.*?)^  '';", file.read(), re.MULTILINE | re.DOTALL).group(1))
        ast.parse(script)
        if not harness.BIN:
            self.skipTest("AGENTVM_BIN_DIR is not set")
        with Sandbox() as sandbox:
            verbs = sandbox.run("--help").stdout
        used = set(re.findall(r"agentvm ([a-z]+)", script))
        self.assertLessEqual({"run", "pool", "exec", "destroy"}, used)
        for verb in used:
            self.assertRegex(verbs, rf"(?m)^  {verb}\b")


if __name__ == "__main__":
    harness.main()
