# pool_test.py - a pool of real NixOS guests in QEMU: booted for nobody, claimed, used once, another in its place.
import unittest

import boots
import harness
import hybrid
from pool_server import PoolServer

PROFILE = """\
extends = "boot"
pool = "small"
[machine]
hypervisor = "qemu"
[store]
share = "closure"
[network]
egress = "none"
"""
LOOK = "hostname; id -un; cat /proc/sys/kernel/random/boot_id; cat /etc/machine-id; cat from-the-host; ls /tmp | grep -v ^systemd-private; echo $MINE; " \
       "systemctl is-active agentvm-guest; echo $MINE > of-the-guest; echo $MINE > /tmp/mine"


class Pool(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        reason = harness.missing_for_vms()
        if reason:
            raise unittest.SkipTest(reason)

    def setUp(self):
        self.sandbox = self.enterContext(hybrid.Hybrids())
        self.sandbox.write_profile("pooled", PROFILE)
        self.sandbox.build("pooled")
        self.pool = PoolServer(self.sandbox, size=1, limits='profile = "pooled"\n')
        self.addCleanup(self.end)

    def end(self):
        self.assertEqual(self.pool.end(), [])
        self.sandbox.run("gc")
        self.sandbox.assert_nothing_left()

    def claim(self, name):
        self.sandbox.write(f"{name}/from-the-host", f"for {name}\n")
        run = self.sandbox.run("run", "-v", "--profile", "pooled", "--name", name, "--env", f"MINE={name}", self.sandbox.path(name), "--command",
                               "--", "sh", "-c", LOOK, limit=300)
        self.assertEqual(run.code, 0, run)
        self.assertRegex(run.stderr, r"The VM is pool-small-[0-9a-f]{6} of the pool small", run)
        with open(self.sandbox.path(name, "of-the-guest"), encoding="utf-8") as file:
            self.assertEqual(file.read(), f"{name}\n")
        print(f"{name}: claimed, its command done after {run.took:.1f} s")
        return run.stdout.splitlines()

    def test_claims(self):
        first = self.pool.wait_full(600)
        boots.note("qemu", "closure", "none, of a pool", first["refill_ms"]["p50"])
        one = self.claim("one")
        self.assertEqual([*one[:2], *one[4:]], ["one", "agent", "for one", "one", "active"], one)
        self.pool.wait_full(600)
        two = self.claim("two")
        self.assertEqual([*two[:2], *two[4:]], ["two", "agent", "for two", "two", "active"], two)
        self.assertNotEqual(one[2], two[2], "a boot each")
        self.assertNotEqual(one[3], two[3], "a machine-id each")
        self.pool.wait_full(600)


if __name__ == "__main__":
    hybrid.main()
