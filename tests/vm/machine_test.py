# machine_test.py - a VM without a run, in QEMU: live_machine.cpp asks of it what a pool and parking will ask.
import harness
from live_machine import LIFE, live_machine


class Machine(harness.VmTestCase):
    def test_its_whole_life(self):
        self.assertEqual(live_machine(self.sandbox, "--hypervisor", "qemu"), LIFE)


if __name__ == "__main__":
    harness.main()
