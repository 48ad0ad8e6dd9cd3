# own_runner.py - a definition's own runner, started as docs/nixos.md says for microvm.nix alone, and a shell on its console.
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
# What a terminal does not show: titles and the like, modes and colours.
ESCAPES = r"\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b\[[0-9;?]*[a-zA-Z]|\r"


class OwnRunner(unittest.TestCase):
    HYPERVISOR = "qemu"
    STORE = "closure"
    VCPUS, MEMORY = 2, "1536MiB"

    sandbox = None  # of the class

    @classmethod
    def build(cls):
        """Has the sandbox make the runner; the link to it."""
        found = {item["what"]: item["found"].split(", ")[0] for item in harness.doctor_items()}
        with open(f"{HERE}/alone.nix", encoding="utf-8") as file:
            module = file.read()
        for name, text in (("HYPERVISOR", cls.HYPERVISOR), ("VCPUS", str(cls.VCPUS)), ("QEMU", found["qemu"]),
                           ("CLOUD_HYPERVISOR", found["cloud-hypervisor"]), ("VIRTIOFSD", os.path.realpath(found["virtiofsd"])),
                           ("SUPERVISORD", f"{HERE}/supervisord.py")):
            module = module.replace(f"@{name}@", text)
        cls.sandbox.write("config/agentvm/profiles/alone.nix", module)
        profile = hybrid.PROFILE.replace('"./groups.nix"', '"./alone.nix"').replace("2GiB", cls.MEMORY, 1)
        cls.sandbox.write_profile("alone", f'{profile}[store]\nshare = "{cls.STORE}"\n[network]\negress = "none"\n')
        return cls.sandbox.build_definition("alone") + "/runner"

    @classmethod
    def setUpClass(cls):
        cls.runner = os.path.realpath(cls.build())
        cls.place = cls.sandbox.path("alone")
        cls.workspace = cls.sandbox.path("of-the-user")
        cls.sandbox.write("of-the-user/from-the-host", "of the host\n")
        # virtiofsd squashes nobody here.
        os.chown(cls.workspace, 1000, 1000)
        os.makedirs(cls.place)
        os.symlink(cls.workspace, f"{cls.place}/workspace")

    def script(self, name):
        """A script of the runner, by this machine's bash: that of the hybrid may be made for another system."""
        return ["/bin/bash", f"{self.runner}/bin/{name}"]

    def test_shell_on_the_console(self):
        servers = subprocess.Popen(self.script("virtiofsd-run"), cwd=self.place, env=self.sandbox.env, stdin=subprocess.DEVNULL)
        self.addCleanup(servers.wait)
        self.addCleanup(servers.terminate)
        wait_until(lambda: any(name.endswith("-workspace.sock") for name in os.listdir(self.place)), 20, "virtiofsd's socket")
        started = time.monotonic()
        with Terminal(self.script("microvm-run"), self.sandbox.env, self.place) as console:
            console.expect(r"(agent@alone[^\n]*|bash-[\d.]+)\$", 600)
            boots.note(f"{self.HYPERVISOR}, microvm.nix alone", self.STORE, "none", (time.monotonic() - started) * 1000)
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
