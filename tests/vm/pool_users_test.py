# pool_users_test.py - one user's pool and the VMs of others from it: each has its own files, and nobody another's.
import os
import unittest

import harness
import processes
from harness import Sandbox, seconds, wait_until
from user_test import UID, give_tools

OTHER = UID + 1
POOLS = """\
boots_at_once = 1
vms_per_user = 1
[pools.small]
size = 2
"""
LOOK = "id -un; cat file; echo made >made; env | grep -c OF_THE_FIRST; ls /tmp; cat /proc/sys/kernel/random/boot_id"


class PoolOfAnother(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if os.getuid() != 0:
            raise unittest.SkipTest("becoming other users takes root")
        if reason := harness.missing_for_vms():
            raise unittest.SkipTest(reason)
        cls.keeper = cls.enterClassContext(Sandbox(owner=UID))
        cls.caller = cls.enterClassContext(Sandbox(owner=OTHER))
        for sandbox in (cls.keeper, cls.caller):
            give_tools(sandbox)
        # Where everybody may come; who comes is known by the kernel.
        os.chmod(cls.keeper.path("run"), 0o711)
        cls.socket = cls.keeper.path("run/agentvm/pool.sock")
        config = cls.keeper.write("pools.toml", POOLS)
        cls.poold = cls.keeper.start("pool", "serve", "--config", config)
        wait_until(lambda: os.path.exists(cls.socket), 20, "agentvm-poold")
        os.chmod(cls.keeper.path("run/agentvm"), 0o711)
        os.chmod(cls.socket, 0o666)
        cls.caller.env["AGENTVM_POOL_SOCKET"] = cls.socket

    @classmethod
    def tearDownClass(cls):
        cls.keeper.run("pool", "drain", "small")
        cls.poold.process.terminate()
        cls.poold.finish(20)
        processes.wait_gone(lambda: processes.find(cls.keeper.directory), seconds(20))

    def look(self, sandbox, text, **how):
        wait_until(lambda: '"idle": 0' not in sandbox.run("pool", "status", "--json").stdout, 120, "an idle VM")
        sandbox.write("ws/file", text)
        run = sandbox.run("run", "-v", "--pool", "small", sandbox.workspace, "--command", "--", "sh", "-c", LOOK, **how)
        self.assertIn("of the pool small", run.stderr, run)
        info = os.stat(sandbox.path("ws/made"))
        self.assertEqual((info.st_uid, info.st_gid), (sandbox.owner, sandbox.owner))
        return run.stdout.splitlines()

    def test_each_has_its_own(self):
        first = self.look(self.keeper, "of the first\n", env={"OF_THE_FIRST": "1"})
        second = self.look(self.caller, "of the second\n")
        self.assertEqual(first[:2], ["agent", "of the first"])
        self.assertEqual(second[:3], ["agent", "of the second", "0"])
        self.assertEqual(len(second), 4, second)
        self.assertNotEqual(first[-1], second[-1])
        self.caller.assert_nothing_left()

    def test_what_others_may_not(self):
        refused = self.caller.run("pool", "drain", "small")
        self.assertEqual(refused.code, 125, refused)
        self.assertIn("only root and the pool's own user may change a pool", refused.stderr)
        wait_until(lambda: '"idle": 2' in self.caller.run("pool", "status", "--json").stdout, 120, "two idle VMs")
        held = self.caller.run("run", "--pool", "small", "--name", "held", "-d", "--keep", self.caller.workspace, "--command", "--", "sleep", "600")
        self.assertEqual(held.code, 0, held)
        other = self.caller.run("run", "--pool", "small", "--name", "more", self.caller.workspace, "--command", "--", "true")
        self.assertEqual(other.code, 0, other)
        self.assertIn(f"uid {OTHER} has 1 VMs of the pools, which is as many as one user may have", other.stderr)
        # The VMM is the pool's, the files and the supervisor are not.
        vmms = [process for process in processes.find(self.keeper.directory) if process.program.startswith("qemu")]
        self.assertTrue(vmms)
        for process in vmms:
            self.assertEqual(os.stat(f"/proc/{process.pid}").st_uid, UID, process)
        self.assertEqual(self.keeper.run("exec", "held", "--", "true").code, 125, "no VM of that user")
        self.assertEqual(self.caller.run("destroy", "held").code, 0)
        self.caller.assert_nothing_left()


if __name__ == "__main__":
    harness.main()
