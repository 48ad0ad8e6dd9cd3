# in_qemu.py - guests in QEMU with a network of the test's own, and the VM that lives through the ends of all others.
import atexit
import contextlib
import os
import subprocess
import unittest

import harness
import hybrid
import netd
from boots import Boot
from checks import Checks
from netd import nothing_left
from patience import wait_until
from world import World

QEMU, SUPERVISOR = "qemu-system", "agentvm-supervisor"
SURROUNDINGS = contextlib.ExitStack()
atexit.register(SURROUNDINGS.close)


def surround():
    """Network and sandbox of all guests, once; they go at the end of the process."""
    if InQemu.world:
        return
    reason = harness.missing_for_vms() or netd.obstacle()
    if reason:
        raise unittest.SkipTest(reason)
    world = World()
    SURROUNDINGS.callback(world.close)
    # Cards, bridges and rules are those of this host; so are all processes that are started from here on.
    world.host.enter()
    subprocess.run(["mount", "--bind", world.resolv, "/etc/resolv.conf"], check=True)
    os.environ["AGENTVM_NETD_DIR"] = os.path.join(world.directory, "netd")
    InQemu.sandbox = SURROUNDINGS.enter_context(hybrid.Hybrids())
    InQemu.world = world


class InQemu(Boot):
    world = None

    @classmethod
    def setUpClass(cls):
        surround()
        super().setUpClass()

    def assert_gone(self, gc=False):
        """All of this VM, and of a network card of its own."""
        self.sandbox.assert_nothing_left(self.vm, gc=gc, limit=20)
        wait_until(lambda: nothing_left(self.world.host), 20, "the network to go")

    @staticmethod
    def vital_signs():
        """What changes when the VM beside all others is touched."""
        seen = Beside.sandbox.run("exec", Beside.NAME, "--", "cat", "/proc/sys/kernel/random/boot_id")
        return seen.code, seen.stdout, sorted(process.pid for process in Beside.vm.processes())


class Beside(Checks, InQemu):
    """Of its workspace it may write nothing."""

    STORE, EGRESS, NAME = "closure", "none", "beside"
    WORKSPACE = "wörk spaces/über 'alles' & ro"
    OPTIONS = ("--workspace-mode", "read-only")

    def test_workspace(self):
        self.assertEqual(self.said("cat", "from-the-host"), "of the host\n")
        self.assert_workspace_options()
        for words in (("touch", "new"), ("rm", "from-the-host"), ("sudo", "-n", "touch", "new"),
                      ("sudo", "-n", "sh", "-c", "mount -o remount,rw /workspace; touch new")):
            with self.subTest(words=words):
                self.assertNotEqual(self.exec(*words).code, 0)
        self.assertEqual(os.listdir(self.workspace), ["from-the-host"])
