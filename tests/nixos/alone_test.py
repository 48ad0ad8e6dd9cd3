# alone_test.py - "it boots with microvm.nix alone": a definition's own runner, started as docs/nixos.md says, and a shell on the
# console.
import os
import re
import subprocess
import time
import unittest

import boots
import harness
import hybrid
import processes
from harness import seconds, wait_until
from terminal import Terminal

HERE = os.path.dirname(os.path.abspath(__file__))
# The store as a disk: with a share of it, an emulated machine has no console after the 90 s that systemd waits for one.
PROFILE = hybrid.PROFILE.replace('"./groups.nix"', '"./alone.nix"').replace("2GiB", "1536MiB", 1) + """
[store]
share = "closure"
[network]
egress = "none"
"""


# What a terminal does not show: titles and the like, modes and colours.
ESCAPES = r"\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b\[[0-9;?]*[a-zA-Z]|\r"


class Alone(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if reason := harness.missing_for_vms():
            raise unittest.SkipTest(reason)
        cls.sandbox = cls.enterClassContext(hybrid.Hybrids())
        found = {item["what"]: item["found"].split(", ")[0] for item in harness.doctor_items()}
        with open(f"{HERE}/alone.nix", encoding="utf-8") as file:
            module = file.read()
        for name, path in (("QEMU", found["qemu"]), ("VIRTIOFSD", os.path.realpath(found["virtiofsd"])),
                           ("SUPERVISORD", f"{HERE}/supervisord.py")):
            module = module.replace(f"@{name}@", path)
        cls.sandbox.write("config/agentvm/profiles/alone.nix", module)
        cls.sandbox.write_profile("alone", PROFILE)
        cls.place = cls.sandbox.path("alone")
        cls.workspace = f"{cls.place}/workspace"
        cls.sandbox.write("alone/workspace/from-the-host", "of the host\n")
        # virtiofsd squashes nobody here.
        os.chown(cls.workspace, 1000, 1000)

    def script(self, name):
        """A script of the runner, by this machine's bash: that of the hybrid may be made for another system."""
        return ["/bin/bash", f"{self.runner}/bin/{name}"]

    def test_shell_on_the_console(self):
        self.runner = os.path.realpath(self.sandbox.build_definition("alone") + "/runner")
        servers = subprocess.Popen(self.script("virtiofsd-run"), cwd=self.place, env=self.sandbox.env, stdin=subprocess.DEVNULL)
        self.addCleanup(servers.wait)
        self.addCleanup(servers.terminate)
        wait_until(lambda: any(name.endswith("-workspace.sock") for name in os.listdir(self.place)), 20, "virtiofsd's socket")
        started = time.monotonic()
        with Terminal(self.script("microvm-run"), self.sandbox.env, self.place) as console:
            console.expect(r"(agent@alone[^\n]*|bash-[\d.]+)\$", 600)
            boots.note("qemu, microvm.nix alone", "closure", "none", (time.monotonic() - started) * 1000)
            console.send("stty -echo; PS1=; echo so''far\r")
            console.expect("sofar")
            seen = self.asked(console, "id; cat /workspace/from-the-host; sudo -n id -u; systemctl is-active agentvm-guest; "
                                       "echo of the guest > /workspace/new")
            self.assertRegex(seen[0], r"\Auid=1000\(agent\)")
            self.assertEqual(seen[1:], ["of the host", "0", "inactive"])
            with open(f"{self.workspace}/new", encoding="utf-8") as file:
                self.assertEqual(file.read(), "of the guest\n")
            self.assertEqual(self.asked(console, "systemctl --failed --no-legend --plain"), [])
            console.send("sudo -n systemctl poweroff\r")
            self.assertEqual(console.finish(60), 0)
        servers.terminate()
        servers.wait(seconds(10))
        self.assertEqual(processes.wait_gone(lambda: processes.find(self.place), seconds(10)), [])

    def asked(self, console, command):
        """The lines that a command prints."""
        console.send(f"{command}; echo '<'END\r")
        end = console.expect("<END", 60)
        text = end.string[:end.start()]
        return [line for line in re.sub(ESCAPES, "", text).splitlines() if line.strip()]


if __name__ == "__main__":
    hybrid.main()
