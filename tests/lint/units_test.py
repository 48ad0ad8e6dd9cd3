# units_test.py - agentvm-netd's systemd units are right and hardened, and NixOS's are the same.
"""usage: units_test.py UNITS HARDENING_NIX; 77: systemd-analyze is not here, the comparison alone was made."""

import re
import shutil
import subprocess
import sys
import tempfile
import unittest

UNITS, HARDENING = sys.argv[1:3] if len(sys.argv) > 2 else ("", "")
# What systemd-analyze calls "OK" ends at 4.9; the score is 10 for a unit that may do everything.
MOST_EXPOSED = 3.5


def directives(path):
    """The [Service] section as {name: words}, repeated lines joined."""
    found = {}
    with open(path, encoding="utf-8") as unit:
        for line in unit.read().split("[Service]", 1)[1].splitlines():
            name, equals, value = line.partition("=")
            if equals and not line.startswith("#"):
                found.setdefault(name, []).extend(value.split())
    return found


def nix_attributes(path):
    """The same of hardening.nix, which is written in one plain form: NAME = VALUE; (a list has one word a line)"""
    found = {}
    with open(path, encoding="utf-8") as file:
        for name, value in re.findall(r"^  (\w+) = ([^;]*);$", file.read(), re.MULTILINE):
            words = re.findall(r'"([^"]*)"', value) or [{"true": "yes", "false": "no"}.get(value, value)]
            found[name] = [word for text in words for word in text.split()]
    return found


class Units(unittest.TestCase):
    def test_nixos_hardens_alike(self):
        unit = directives(f"{UNITS}/agentvm-netd.service")
        for name in ("ExecStart", "ExecStopPost", "Restart"):
            self.assertTrue(unit.pop(name), name)
        self.assertEqual(unit, nix_attributes(HARDENING))
        self.assertGreater(len(unit), 20)

    @unittest.skipUnless(shutil.which("systemd-analyze"), "systemd-analyze is not installed")
    def test_systemd_takes_them(self):
        with tempfile.TemporaryDirectory() as directory:
            for name in ("agentvm-netd.service", "agentvm-netd.socket"):
                shutil.copy(f"{UNITS}/{name}", directory)
            done = subprocess.run(["systemd-analyze", "verify", "--man=no", f"{directory}/agentvm-netd.socket",
                                   f"{directory}/agentvm-netd.service"], capture_output=True, text=True, check=False)
            own = [line for line in done.stderr.splitlines() if "agentvm-netd" in line]
            self.assertEqual(own, [])
            done = subprocess.run(["systemd-analyze", "security", "--offline=true", f"{directory}/agentvm-netd.service"],
                                  capture_output=True, text=True, check=False)
            score = float(re.search(r"exposure level for agentvm-netd.service: ([0-9.]+)", done.stdout).group(1))
            print(f"exposure {score}")
            self.assertLessEqual(score, MOST_EXPOSED)


if __name__ == "__main__":
    result = unittest.main(argv=sys.argv[:1], verbosity=2, exit=False).result
    sys.exit(1 if not result.wasSuccessful() else 77 if result.skipped else 0)
