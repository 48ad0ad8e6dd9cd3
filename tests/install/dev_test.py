# dev_test.py - ./dev setup of an ordinary user: what root has set up is used, and what only root can do is said at once.
import os
import shutil
import subprocess
import unittest

import harness
import user_test
from harness import Sandbox

UID = user_test.UID
MACHINE_CACHE = "/var/cache/agentvm"


@unittest.skipUnless(os.getuid() == 0, "becoming another user takes root")
@unittest.skipUnless(harness.real_cache() == MACHINE_CACHE, f"root's tools are not in {MACHINE_CACHE}")
class OrdinaryUser(unittest.TestCase):
    def setUp(self):
        self.sandbox = self.enterContext(Sandbox(owner=UID))
        os.chmod(self.sandbox.directory, 0o755)
        shutil.copy(f"{harness.SOURCE}/dev", self.sandbox.path("dev"))

    def dev(self, *words, installed=None):
        """./dev as the user; `installed` is what dpkg-query shall know of, None leaves it to the machine."""
        path = "/usr/local/bin:/usr/bin:/bin"
        if installed is not None:
            self.sandbox.write("stubs/dpkg-query", f"#!/bin/sh\nprintf '%s installed\\n' {' '.join(installed)}\n", 0o755)
            path = f"{self.sandbox.path('stubs')}:{path}"
        home = self.sandbox.path("home")
        return subprocess.run(["setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups", "--no-new-privs",
                               self.sandbox.path("dev"), *words], env={"PATH": path, "HOME": home}, check=False,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60)

    def test_what_root_has_set_up_is_enough(self):
        done = self.dev("setup")
        self.assertEqual((done.returncode, done.stderr), (0, ""), done)
        self.assertEqual(os.listdir(self.sandbox.path("home")), [], "nothing is fetched again")

    def test_missing_packages_are_one_line_for_root(self):
        done = self.dev("setup", installed=["cmake", "g++", "no-such-package"])
        self.assertEqual(done.returncode, 1, done)
        command = [line for line in done.stderr.splitlines() if "apt-get" in line]
        self.assertEqual(len(command), 1, done.stderr)
        self.assertTrue(command[0].startswith("  apt-get update && apt-get install -y --no-install-recommends "), command)
        words = command[0].split()
        for name in ("ninja-build", "qemu-system-x86", "bubblewrap", "clang-tidy-14"):
            self.assertEqual(words.count(name), 1, command)
        self.assertNotIn("cmake", words)
        self.assertLess(done.stderr.index("what needs no root is done"), done.stderr.index("apt-get"))

    def test_the_demo_asks_for_no_package_of_the_tests(self):
        done = self.dev("demo", installed=["cmake"])
        self.assertEqual(done.returncode, 1, done)
        self.assertIn("and then ./dev demo goes on", done.stderr)
        self.assertIn(" qemu-system-x86 ", done.stderr)
        self.assertNotIn("clang-tidy-14", done.stderr)


if __name__ == "__main__":
    harness.main()
