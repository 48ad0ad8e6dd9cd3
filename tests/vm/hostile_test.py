# hostile_test.py - guests that mean harm, from their first instruction on or later: each harms itself only.
import os
import stat
import threading
import time
import unittest

import harness
from harness import Sandbox, VmTestCase, processes, small
from patience import seconds

HOSTILE = os.environ.get("AGENTVM_TEST_HOSTILE", "")
MOST_MEMORY = 60 * 2**20  # of a supervisor, bytes


def hostile_guest(sandbox, mode):
    """A copy of the hostile init that does this one thing (hostile/main.cpp)."""
    with open(HOSTILE, "rb") as file:
        program = file.read()
    blank = b"hostile-mode:none".ljust(64, b"\0")
    if program.count(blank) != 1:
        raise AssertionError(f"{HOSTILE} has no place for a mode")
    # No workspace may lie beside a program of ours.
    os.makedirs(sandbox.path("programs"), exist_ok=True)
    path = sandbox.path("programs", f"hostile-{mode}")
    with open(path, "wb") as file:
        file.write(program.replace(blank, f"hostile-mode:{mode}".encode().ljust(64, b"\0")))
    os.chmod(path, 0o755)
    return path


class Watched:
    """Follows the memory of a VM's supervisor until it is gone."""

    def __init__(self, vm):
        self.peak = 0
        self._thread = threading.Thread(target=self._watch, args=(vm.wait_known().wait_for("agentvm-supervisor"),), daemon=True)
        self._thread.start()

    def _watch(self, supervisor):
        while supervisor.alive():
            self.peak = max(self.peak, processes.peak_memory(supervisor.pid))
            time.sleep(0.05)  # the kernel tells nobody when memory grows

    def finish(self):
        self._thread.join(seconds(20))
        return self.peak


@unittest.skipUnless(os.path.exists(HOSTILE), "the hostile guest was not built (AGENTVM_TEST_HOSTILE)")
class HostileInit(VmTestCase):
    """Another program as PID 1: it was never honest."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        run = cls.sandbox.run(*small("--name", "beside", "--detach"), cls.sandbox.workspace, "--command", "--", "sleep", "3600")
        if run.code != 0:
            raise AssertionError(f"the VM beside did not start: {run}")
        cls.life_of_beside = cls.vital_sign()

    @classmethod
    def vital_sign(cls):
        probe = cls.sandbox.run("exec", "beside", "--", "sh", "-c", "cat /proc/sys/kernel/random/boot_id; touch alive")
        return probe.code, probe.stdout

    def run_hostile(self, mode, limit):
        """The run must fail in time, with one clear sentence and 125, and leave nothing. Returns its result."""
        running = self.sandbox.start(*small("--name", mode, "--json"), self.sandbox.workspace, "--command", "--", "true",
                                     env={"AGENTVM_GUEST": hostile_guest(self.sandbox, mode)})
        vm = self.sandbox.vm(mode)
        watched = Watched(vm)
        result = running.finish(limit)
        peak = watched.finish()
        self.assert_code(result, 125)
        failure = next((event for event in result.events() if event["event"] == "failed"), None)
        self.assertIsNotNone(failure, result)
        print(f"{mode}: {result.took:.1f} s, supervisor {peak / 2**20:.0f} MiB: {failure['message']}")
        self.assertIn(failure["message"], result.stderr)
        self.assertNotIn("\n", failure["message"].strip())
        self.assertGreater(peak, 0)
        if not harness.SANITIZED:
            self.assertLess(peak, MOST_MEMORY, f"{mode}: the supervisor's memory")
        self.sandbox.assert_nothing_left(vm)
        return failure

    def run_all(self, modes, limit, at_once):
        failures, lanes = [], threading.Semaphore(at_once)

        def lane(mode):
            with lanes:
                try:
                    self.run_hostile(mode, limit)
                except AssertionError as error:
                    failures.append(f"{mode}: {error}")

        threads = [threading.Thread(target=lane, args=(mode,)) for mode in modes]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [], "\n".join(failures))
        self.assertEqual(self.vital_sign(), self.life_of_beside, "the VM beside it was touched")

    def test_links_that_break_the_rules(self):
        self.run_all(["garbage", "control-garbage", "headers", "answers", "exit"], 60, at_once=2)

    def test_links_that_keep_to_the_rules_and_waste_time(self):
        # All at once: most of them only let the supervisor wait for its deadline.
        self.run_all(["silent", "half-frame", "streams", "pings", "settings", "resets"], 150, at_once=6)

    def test_fuse_without_a_kernel(self):
        """The guest speaks FUSE to the workspace's virtiofsd: names that are paths, devices, set-user-id files."""
        with Sandbox() as sandbox:
            secret = sandbox.write("secret", "agentvm-host-secret\n")
            victim = sandbox.write("victim", "victim\n")
            sandbox.write("ws/mine", "mine\n")
            before = sorted(os.listdir(sandbox.directory))
            run = sandbox.run(*small("--name", "fuse", "--json"), sandbox.workspace, "--command", "--", "true",
                              env={"AGENTVM_GUEST": hostile_guest(sandbox, "fuse")})
            self.assert_code(run, 125)
            console = next(event for event in run.events() if event["event"] == "failed")["console"]
            self.assertIn("hostile: done", console, "it got through its list")
            self.assertIn("RENAME mine ../victim", console)
            self.assertNotIn("virtiofsd does not", console)
            self.assertNotIn("agentvm-host-secret", run.stdout)
            self.assertNotIn("root:", run.stdout)
            after = sorted(name for name in os.listdir(sandbox.directory) if name != "programs")
            self.assertEqual(after, before, "something appeared or vanished beside the share")
            for path, content in ((secret, "agentvm-host-secret\n"), (victim, "victim\n")):
                with open(path, encoding="utf-8") as file:
                    self.assertEqual(file.read(), content)
            for directory, directories, files in os.walk(sandbox.workspace):
                for name in directories + files:
                    info = os.lstat(os.path.join(directory, name))
                    self.assertFalse(stat.S_ISBLK(info.st_mode) or stat.S_ISCHR(info.st_mode), name)
                    self.assertFalse(info.st_mode & stat.S_ISUID and info.st_uid != os.stat(sandbox.workspace).st_uid, name)
            sandbox.assert_nothing_left()


STEAL_LINKS = r"""
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
PIDFD_OPEN, PIDFD_GETFD = 434, 438
init = libc.syscall(PIDFD_OPEN, 1, 0)
ports = {}
for number in range(3, 256):
    mine = libc.syscall(PIDFD_GETFD, init, number, 0)
    if mine < 0:
        continue
    path = os.readlink(f"/proc/self/fd/{mine}")
    if path.startswith("/dev/vport"):
        name = open(f"/sys/class/virtio-ports/{os.path.basename(path)}/name").read().strip()
        ports[name] = mine
wanted = ports[sys.argv[1]]
open("stolen-" + sys.argv[1], "w").close()  # seen on the host, whatever becomes of the links
os.set_blocking(wanted, True)
while True:
    os.write(wanted, os.urandom(65536))
"""


class HostileRoot(VmTestCase):
    """Root of an honest guest: it takes the links out of PID 1's hands while the agent works."""

    def steal(self, port):
        name = f"thief-{port.split('.')[1]}"
        running = self.sandbox.start(*small("--name", name, "--json"), self.sandbox.workspace, "--command", "--", "sleep", "600")
        running.wait_event("agent-started")
        vm = self.sandbox.vm(name)
        watched = Watched(vm)
        self.sandbox.write("ws/steal.py", STEAL_LINKS)
        thief = self.sandbox.start("exec", "--user", "root", name, "--", "python3", "steal.py", port)
        result = running.finish(60)
        thief.finish(30)
        if "ModuleNotFound" in thief.text("stderr") or "not found" in thief.text("stderr"):
            self.skipTest("there is no python3 in the guest")
        self.assertTrue(os.path.exists(self.sandbox.path("ws", f"stolen-{port}")), thief.so_far())
        # Who notices first ends the VM: the host, or the guest itself, which terminates the agent and powers off.
        self.assertIn(result.code, (125, 143), result)
        if result.code == 125:
            self.assertRegex(result.stderr, "link|protocol|powered off")
        if not harness.SANITIZED:
            self.assertLess(watched.finish(), MOST_MEMORY)
        self.sandbox.assert_nothing_left(vm)

    def test_service_link(self):
        self.steal("agentvm.services")

    def test_control_link(self):
        self.steal("agentvm.control")

    def test_flood_of_the_console(self):
        """The console's log has a limit, and the VM goes on."""
        run = self.sandbox.run(*small("--name", "noisy", "--detach"), self.sandbox.workspace, "--command", "--", "sleep", "600")
        self.assert_code(run, 0)
        flood = self.sandbox.run("exec", "--user", "root", "noisy", "--", "timeout", "5", "sh", "-c", "yes noise > /dev/ttyS0",
                                 limit=60)
        self.assertEqual(flood.code, 124, flood)
        self.assertEqual(self.sandbox.run("exec", "noisy", "--", "echo", "alive").stdout, "alive\n")
        log = os.path.join(self.sandbox.vm("noisy").state_dir, "console.log")
        self.assertLess(os.path.getsize(log), 17 * 2**20)
        self.assert_code(self.sandbox.run("destroy", "noisy"), 0)
        self.sandbox.assert_nothing_left()

    def test_processes_and_memory(self):
        """A guest that uses up its own memory harms its own processes; the host can still end it."""
        running = self.sandbox.start(*small("--name", "greedy", "--json"), self.sandbox.workspace, "--command", "--", "sleep", "600")
        running.wait_event("agent-started")
        self.sandbox.run("exec", "greedy", "--", "sh", "-c", "tail /dev/zero", limit=60)
        destroyed = self.sandbox.run("destroy", "greedy")
        self.assert_code(destroyed, 0)
        running.finish(30)
        self.sandbox.assert_nothing_left()


if __name__ == "__main__":
    harness.main()
