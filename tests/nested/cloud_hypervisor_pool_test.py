# cloud_hypervisor_pool_test.py - tests/vm/pool_test.py's pools, of real cloud-hypervisor: claimed, killed, refilled; ten idle.
import nested_case
import pool_test
from harness import VmTestCase
from pool_server import PoolServer

VMM = "cloud-hypervisor"


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


if __name__ == "__main__":
    nested_case.main(8192)
