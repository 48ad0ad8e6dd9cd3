# boots.py - a VM of the set, from its start until the guest is there, and the table of all of them.
import atexit
import json
import unittest

from patience import wait_until

TABLE = []
COLUMNS = ("hypervisor", "store", "egress", "ready after")


def note(hypervisor, store, egress, milliseconds):
    if not TABLE:
        atexit.register(tell)
    TABLE.append((hypervisor, store, egress, f"{milliseconds / 1000:.0f} s"))


def tell():
    """One line for each boot, in the order they came."""
    widths = [max(len(row[column]) for row in (COLUMNS, *TABLE)) for column in range(len(COLUMNS))]
    for row in (COLUMNS, *TABLE):
        print("  ".join(word.ljust(width) for word, width in zip(row, widths)).rstrip())


def events(vm, name=None):
    """What the supervisor of a living or kept VM has told, in order."""
    with open(f"{vm.state_dir}/events.jsonl", encoding="utf-8") as file:
        told = [json.loads(line) for line in file if line.endswith("\n")]
    return [event for event in told if name in (None, event["event"])]


class Boot(unittest.TestCase):
    """One kept VM for all tests of a class."""

    HYPERVISOR = "qemu"
    STORE = "host"
    EGRESS = "none"
    NAME = "vm"
    WORKSPACE = "ws"
    OPTIONS = ()
    COMMAND = ("--command", "--", "sleep", "infinity")

    sandbox = None  # of the file

    @classmethod
    def machine(cls):
        return ("--hypervisor", cls.HYPERVISOR, "--set", f"store.share={cls.STORE}", "--egress", cls.EGRESS)

    @classmethod
    def environment(cls):
        """Of the run, besides the sandbox's."""
        return {}

    @classmethod
    def prepare(cls):
        """What the run needs: the workspace."""
        cls.sandbox.write(f"{cls.WORKSPACE}/from-the-host", "of the host\n")

    @classmethod
    def setUpClass(cls):
        cls.prepare()
        cls.workspace = cls.sandbox.path(cls.WORKSPACE)
        cls.sandbox.build("boot", *cls.machine())
        run = cls.sandbox.run("run", "--profile", "boot", *cls.machine(), *cls.OPTIONS, "--name", cls.NAME, "-d", "--keep", cls.workspace,
                              *cls.COMMAND, env=cls.environment(), limit=600)
        if run.code != 0:
            raise AssertionError(f"{cls.NAME} did not start: {run}")
        cls.vm = cls.sandbox.vm(cls.NAME).wait_known()
        ready = events(cls.vm, "ready")[0]
        note(cls.HYPERVISOR, cls.STORE, cls.EGRESS, ready["boot_ms"])
        print(f"{cls.NAME}: {cls.HYPERVISOR}, store {cls.STORE}, egress {cls.EGRESS}: the run returned after {run.took:.0f} s")

    def exec(self, *words, options=(), **how):
        return self.sandbox.run("exec", *options, self.NAME, "--", *words, **how)

    def said(self, *words, **how):
        """The output of a command in the guest that must end well."""
        run = self.exec(*words, **how)
        self.assertEqual(run.code, 0, run)
        return run.stdout

    def wait_for_phase(self, phase):
        wait_until(lambda: (self.vm.state() or {}).get("phase") == phase, 60, f"{self.NAME} to be {phase}")
