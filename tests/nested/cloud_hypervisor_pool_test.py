# cloud_hypervisor_pool_test.py - tests/vm/pool_test.py's pools, of real cloud-hypervisor: claimed, killed, refilled; ten idle.
import os
import subprocess
import unittest

import harness
import nested_case
import pool_test
from harness import VmTestCase
from pool_server import PoolServer

VMM = "cloud-hypervisor"
CGROUPS = "/sys/fs/cgroup"


class PoolOfCloudHypervisor(pool_test.Pool):
    VMM = VMM


class TenIdle(VmTestCase):
    """Of 640 MiB each; what they have of the host is printed, for docs/scale.md."""

    def test_memory(self):
        pool = PoolServer(self.sandbox, size=1, at_once=1)
        try:
            one = pool.wait_full(120)["memory_per_idle_bytes"]
            pool.resize(10)
            status = pool.wait_full(600)
            self.assertEqual(len(pool.find(VMM)), 10)
            ten = status["memory_per_idle_bytes"]
            print(f"memory per idle VM: {one >> 20} MiB alone, {ten >> 20} MiB of ten; refill p50 {status['refill_ms']['p50']} ms")
            self.assertGreater(one, 32 << 20, "a kernel alone has more")
            self.assertLess(ten, 640 << 20, "less than its memory")
            # One claimed of ten is another run's time, not ten's.
            run = self.sandbox.run("run", "-v", "--pool", "small", self.sandbox.workspace, "--command", "--", "true")
            self.assert_code(run, 0)
            self.assertIn("of the pool small", run.stderr)
            print(f"claim: {pool.status()['claim_ms']}")
        finally:
            self.assertEqual(pool.end(), [])
        self.sandbox.assert_nothing_left()


@unittest.skipUnless(os.environ.get(nested_case.INSIDE), "the cgroups of this machine are not the test's to change")
class Cgroups(VmTestCase):
    """Each VM in its own, with its pool's limits, which the kernel keeps; also after poold was killed."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        if not os.path.ismount(CGROUPS):
            subprocess.run(["mount", "-t", "cgroup2", "cgroup2", CGROUPS], check=True)

    def serve(self, limits):
        pool = PoolServer(self.sandbox, size=1, limits=limits, options=("--cgroup",))
        self.addCleanup(pool.end)
        return pool

    @staticmethod
    def read(*parts):
        with open("/".join((CGROUPS, *parts)), encoding="utf-8") as file:
            return file.read().strip()

    def test_limits(self):
        pool = self.serve('memory_max = "1GiB"\ncpu_weight = 50\n')
        name = f"vm-{pool.wait_full(240)['vms'][0]['name']}"
        for killed in (False, True):
            self.assertEqual((self.read(name, "memory.max"), self.read(name, "cpu.weight")), (str(1 << 30), "50"))
            inside = {int(pid) for pid in self.read(name, "cgroup.procs").split()}
            for program in (VMM, "agentvm-keeper", "virtiofsd"):
                found = {process.pid for process in pool.find(program)}
                self.assertTrue(found and found <= inside, program)
            if not killed:  # what it had before the controller was given back is not counted again
                self.assertGreater(int(self.read(name, "memory.current")), 32 << 20)
            pool.kill()
            subprocess.run([os.path.join(harness.BIN, "agentvm-poold"), "--release-cgroup"], check=True)
            self.assertFalse(os.path.exists(f"{CGROUPS}/{name}/memory.max"), "a service manager can start somebody")
            pool.start()
            pool.wait_full()
        for _ in range(2):
            print("a claim", flush=True)
            self.assert_code(self.sandbox.run("run", "--pool", "small", self.sandbox.workspace, "--command", "--", "true"), 0)
            pool.wait_full(60)
        self.assertFalse(os.path.exists(f"{CGROUPS}/{name}"), "the used one's goes with the start of another")


if __name__ == "__main__":
    nested_case.main(8192)
