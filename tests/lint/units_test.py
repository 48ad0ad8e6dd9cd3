# units_test.py - the systemd units of agentvm-netd and agentvm-pool are right and hardened, and NixOS's are the same.
"""usage: units_test.py BUILD SOURCE; 77: systemd-analyze is not here, the comparison alone was made."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

BUILD, SOURCE = sys.argv[1:3] if len(sys.argv) > 2 else ("", "")
# What systemd-analyze calls "OK" ends at 4.9; the score is 10 for a unit that may do everything.
MOST_EXPOSED = 3.0
# A unit: where it is, the other half of it in nixos-module, and what is not compared.
UNITS = {"agentvm-netd": (f"{BUILD}/network/netd/systemd-build", "hardening.nix", ("ExecStart", "ExecStopPost", "Restart")),
         "agentvm-pool": (f"{BUILD}/launcher/pool/systemd-build", "pool-hardening.nix", ("ExecStart", "ExecStopPost", "Restart", "Slice"))}
FILES = [f"{BUILD}/network/netd/systemd-build/agentvm-netd.socket",
         *(f"{directory}/{name}.service" for name, (directory, _, _) in UNITS.items())]


def directives(path):
    """The [Service] section as {name: words}, repeated lines joined."""
    found = {}
    with open(path, encoding="utf-8") as unit:
        service = unit.read().split("[Service]", 1)[1].split("[Install]", 1)[0]
    for line in service.splitlines():
        name, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found.setdefault(name, []).extend(value.split())
    return found


def nix_attributes(path):
    """The same of a file of nixos-module, which is written in one plain form: NAME = VALUE; (a list has one word a line)"""
    found = {}
    with open(path, encoding="utf-8") as file:
        for name, value in re.findall(r"^  (\w+) = ([^;]*);$", file.read(), re.MULTILINE):
            words = re.findall(r'"([^"]*)"', value) or [{"true": "yes", "false": "no"}.get(value, value)]
            found[name] = [word for text in words for word in text.split()]
    return found


class Units(unittest.TestCase):
    maxDiff = None

    def test_nixos_hardens_alike(self):
        for unit, (directory, other, own) in UNITS.items():
            with self.subTest(unit=unit):
                found = directives(f"{directory}/{unit}.service")
                for name in own:
                    self.assertTrue(found.pop(name), name)
                self.assertEqual(found, nix_attributes(f"{SOURCE}/nixos-module/{other}"))
                self.assertGreater(len(found), 20)

    def test_the_pages_say_the_scores(self):
        with open(f"{SOURCE}/docs/nixos.md", encoding="utf-8") as page:
            self.scores_on_the_page = dict(re.findall(r"`(agentvm-[a-z]+)` scores ([0-9.]+)", page.read()))
        self.assertEqual(self.scores_on_the_page.keys(), UNITS.keys())
        if shutil.which("systemd-analyze"):
            for unit, score in self.scores_on_the_page.items():
                self.assertEqual(float(score), self.score(unit), f"{unit}: docs/nixos.md")

    def score(self, unit):
        done = subprocess.run(["systemd-analyze", "security", "--offline=true", f"{UNITS[unit][0]}/{unit}.service"],
                              capture_output=True, text=True, check=False)
        return float(re.search(rf"exposure level for {unit}.service: ([0-9.]+)", done.stdout).group(1))

    @unittest.skipUnless(shutil.which("systemd-analyze"), "systemd-analyze is not installed")
    def test_systemd_takes_them(self):
        with tempfile.TemporaryDirectory() as directory:
            paths = [shutil.copy(path, directory) for path in FILES]
            done = subprocess.run(["systemd-analyze", "verify", "--man=no", *paths], capture_output=True, text=True, check=False)
        own = [line for line in done.stderr.splitlines() if re.search("agentvm-(netd|pool)", line)]
        self.assertEqual(own, [])

    @unittest.skipUnless(shutil.which("systemd-analyze"), "systemd-analyze is not installed")
    def test_little_is_exposed(self):
        for unit in UNITS:
            score = self.score(unit)
            print(f"{unit}: exposure {score}")
            self.assertLessEqual(score, MOST_EXPOSED, unit)

    @unittest.skipUnless(shutil.which("systemd-sysusers"), "systemd-sysusers is not installed")
    def test_the_users_can_be_made(self):
        done = subprocess.run(["systemd-sysusers", "--dry-run", f"{os.path.abspath(SOURCE)}/launcher/pool/systemd/agentvm-pool.sysusers"],
                              capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done)
        self.assertEqual([line for line in done.stderr.splitlines() if "ignoring" in line], [], done)


if __name__ == "__main__":
    result = unittest.main(argv=sys.argv[:1], verbosity=2, exit=False).result
    sys.exit(1 if not result.wasSuccessful() else 77 if result.skipped else 0)
