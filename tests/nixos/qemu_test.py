# qemu_test.py - real NixOS guests in QEMU: each kind of store with and without a network card, and every way a VM ends.
import os
import unittest

import boots
import hybrid
from boots import events
from checks import Checks
from harness import sentences
from in_qemu import QEMU, Beside, InQemu, surround
from patience import wait_until
from with_codex import WithCodex
from with_devshell import WithDevShell


class WithNetwork(Checks, InQemu):
    STORE, EGRESS, NAME = "closure", "nat", "closure"
    WORKSPACE = "日本語 of 'two' words"

    def test_z_qemu_killed(self):
        beside = self.vital_signs()
        for process in self.vm.find(QEMU):
            process.kill()
        wait_until(lambda: not self.vm.processes(), 20, "the rest of the VM to go")
        self.assertEqual(self.sandbox.run("destroy", self.NAME).code, 0)
        self.assert_gone(gc=True)
        self.assertEqual(self.vital_signs(), beside)


class Attached(InQemu):
    """Two runs that boot at one time, in the terminals of their callers."""

    @classmethod
    def setUpClass(cls):
        """Each test boots its own."""
        surround()

    def start(self, name, *command, **how):
        return self.sandbox.start("run", "--profile", "boot", *Beside.machine(), "--name", name, self.sandbox.workspace, "--command", "--",
                                  *command, **how)

    def test_its_own_end_and_destroy(self):
        data = os.urandom(1 << 20) * 3
        path = self.sandbox.write("data")
        with open(path, "wb") as file:
            file.write(data)
        with open(path, "rb") as file:
            whole = self.start("whole", "sh", "-c", "cat; exit 7", stdin=file)
        doomed = self.start("doomed", "sh", "-c", "echo here; exec sleep infinity")
        self.vm = self.sandbox.vm("doomed").wait_known(60)
        doomed.wait_text("here\n", limit=300)
        boots.note("qemu", "closure", "none, two at a time", events(self.vm, "ready")[0]["boot_ms"])
        result = whole.finish(300)
        self.assertEqual(result.code, 7, result.stderr)
        self.assertTrue(result.out == data, f"{len(result.out)} of {len(data)} bytes came back, or others")
        self.assertEqual(self.sandbox.run("destroy", "doomed").code, 0)
        result = doomed.finish(30)
        self.assertNotEqual(result.code, 0, result)
        self.assertTrue(sentences(result))
        self.assert_gone()


class PoweredOff(InQemu):
    """The VM beside is the last."""

    @classmethod
    def setUpClass(cls):
        cls.vm, cls.NAME = Beside.vm, Beside.NAME

    def test_by_the_agent(self):
        self.exec("sudo", "-n", "systemctl", "poweroff")
        wait_until(lambda: not self.vm.processes(), 60, "the VM to go")
        self.assertIn("the guest powered off", str(events(self.vm)))
        self.assertEqual(self.sandbox.run("destroy", self.NAME).code, 0)
        self.assert_gone()
        self.sandbox.assert_nothing_left(gc=True)


def load_tests(loader, _tests, _pattern):
    """In this order: each class is a VM, and its last test that VM's end."""
    order = (Beside, WithCodex, WithDevShell, WithNetwork, Attached, PoweredOff)
    return unittest.TestSuite(loader.loadTestsFromTestCase(case) for case in order)


if __name__ == "__main__":
    hybrid.main()
