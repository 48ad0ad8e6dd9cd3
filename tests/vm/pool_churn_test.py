# pool_churn_test.py - many claims, one after another and all at once, while VMs, poold, callers and virtiofsd are killed.
"""By default as many as an ordinary test run has time for; AGENTVM_TEST_POOL_CLAIMS=200 AGENTVM_TEST_POOL_AT_ONCE=50
makes it what a pool must stand. AGENTVM_TEST_POOL_SEED repeats one run's kills."""
import os
import random
import re
import time

import harness
from harness import VmTestCase, wait_until
from pool_server import PoolServer

CLAIMS = int(os.environ.get("AGENTVM_TEST_POOL_CLAIMS", "10"))
AT_ONCE = int(os.environ.get("AGENTVM_TEST_POOL_AT_ONCE", "4"))
SEED = int(os.environ.get("AGENTVM_TEST_POOL_SEED", "0")) or random.randrange(1, 1 << 30)
# Who: its boot, what an earlier one would have left, and the caller's own variable.
LOOK = "cat /proc/sys/kernel/random/boot_id; ls /tmp; echo $MINE; echo $MINE > /tmp/mine; echo $MINE > seen-$MINE"
VICTIMS = ("none", "none", "vmm", "agentvm-keeper", "poold", "agentvm", "agentvm-supervisor", "virtiofsd", "agentvm-reaper")


class Churn(VmTestCase):
    VMM = "qemu-system"

    def setUp(self):
        super().setUp()
        self.random = random.Random(SEED)
        self.boots = set()
        self.pool = PoolServer(self.sandbox)
        self.addCleanup(self.end)

    def end(self):
        self.assertEqual(self.pool.end(), [])
        self.sandbox.run("gc")
        self.sandbox.assert_nothing_left()

    def start(self, number, *options):
        return self.sandbox.start("run", "-v", "--pool", "small", "--name", f"vm{number}", *options, self.sandbox.workspace, "--env",
                                  f"MINE={number}", "--command", "--", "sh", "-c", LOOK)

    def kill_one(self, victim):
        """Whoever of them: an idle VM's or a claimed one's. Returns whether a run may have met it."""
        if victim == "none":
            return False
        if victim == "poold":
            self.pool.kill()
            self.pool.start()
            return True
        found = self.pool.find(self.VMM if victim == "vmm" else victim)
        if victim == "agentvm":
            found = [process for process in found if process.program == "agentvm" and "run" in process.words]
        if found:
            self.random.choice(found).kill()
        return True

    def check(self, number, run, met):
        """A run that nobody disturbed worked; any that worked was in a VM of its own."""
        if run.code != 0:
            self.assertTrue(met, f"seed {SEED}, claim {number}: {run}")
            return
        lines = run.stdout.splitlines()
        self.assertEqual(lines[1:], [str(number)], "nothing of another claim")
        self.assertNotIn(lines[0], self.boots, "each boot is used once")
        self.boots.add(lines[0])
        with open(self.sandbox.path(f"ws/seen-{number}"), encoding="utf-8") as file:
            self.assertEqual(file.read(), f"{number}\n")

    def settle(self):
        """The pool is full, and every VM of the sandbox is one of its idle ones."""
        self.sandbox.run("gc")
        pool = self.pool.wait_full(300)
        wait_until(lambda: self.pool.status()["claimed"] == 0, 60, "claimed VMs to go")
        wait_until(lambda: len(self.pool.find(self.VMM)) == self.pool.size, 60, f"{self.pool.size} VMs and no other")
        names = [vm["name"] for vm in pool["vms"]]
        self.assertEqual(len(set(names)), len(names))

    def test_one_after_another(self):
        self.pool.wait_full()
        hits = 0
        for number in range(CLAIMS):
            run = self.start(number)
            time.sleep(self.random.random())
            met = self.kill_one(self.random.choice(VICTIMS))
            done = run.finish(240)
            hits += bool(re.search("of the pool small", done.stderr))
            self.check(number, done, met)
        self.assertGreater(hits, CLAIMS // 4, "most claims meet an idle VM, or this tests something else")
        self.settle()

    def test_all_at_once(self):
        self.pool.resize(AT_ONCE)
        self.pool.wait_full(AT_ONCE * 20)
        runs = [self.start(number) for number in range(AT_ONCE)]
        for _ in range(max(1, AT_ONCE // 10)):
            time.sleep(self.random.random())
            self.kill_one(self.random.choice(VICTIMS))
        done = [run.finish(600) for run in runs]
        for number, run in enumerate(done):
            self.check(number, run, True)
        self.assertGreaterEqual(sum(run.code == 0 for run in done), AT_ONCE // 2)
        self.pool.resize(2)
        self.settle()


if __name__ == "__main__":
    harness.main()
