# pool_test.py - a pool of booted VMs: claimed, used once, refilled, and whole again whatever is killed.
import json
import os
import signal

import harness
import processes
from harness import VmTestCase, seconds, wait_until
from pool_server import find

POOLS = """\
boots_at_once = 2
[pools.small]
size = 2
"""
WHO = "hostname; id -un; cat /proc/sys/kernel/random/boot_id; ls -A; env | grep ^GREETING="


class Pool(VmTestCase):
    VMM = "qemu-system"

    def setUp(self):
        super().setUp()
        self.poold = None
        self.addCleanup(self.end_pool)
        self.start_pool()

    def start_pool(self):
        config = self.sandbox.write("pools.toml", POOLS)
        self.poold = self.sandbox.start("pool", "serve", "--config", config, "--metrics", self.sandbox.path("metrics"))

    def end_pool(self):
        if self.poold is None:
            return
        self.sandbox.run("pool", "drain", "small", "--json")
        self.poold.process.terminate()
        self.poold.finish(20)
        self.poold = None
        self.assertEqual(processes.wait_gone(lambda: processes.find(self.sandbox.directory), seconds(20)), [])
        self.sandbox.assert_nothing_left()

    def pool(self):
        run = self.sandbox.run("pool", "status", "--json")
        if run.code != 0:
            return None
        return json.loads(run.stdout)["pools"][-1]

    def wait_for_idle(self, count=2):
        return wait_until(lambda: (lambda pool: pool if pool and pool["idle"] == count else None)(self.pool()), 120,
                          f"{count} idle VMs")

    def claim(self, *words, options=(), **how):
        return self.sandbox.run("run", "--pool", "small", *options, self.sandbox.workspace, "--command", "--", *words, **how)

    def test_claims(self):
        """Each is another VM with its caller's files, name and variables, and nothing of an earlier one."""
        first = self.wait_for_idle()
        self.sandbox.write("ws/file", "of the host\n")
        seen = []
        for name in ("one", "two", "three"):
            run = self.claim("sh", "-c", f"{WHO}; echo {name} > /tmp/mark; ls /tmp; echo of the guest > by-{name}; exit 3",
                             options=("--name", name, "--env", f"GREETING={name}", "-v"))
            self.assert_code(run, 3)
            self.assertRegex(run.stderr, r"The VM is pool-small-[0-9a-f]{6} of the pool small", run)
            seen.append(run.stdout.splitlines())
            with open(self.sandbox.path(f"ws/by-{name}"), encoding="utf-8") as file:
                self.assertEqual(file.read(), "of the guest\n")
            self.wait_for_idle()
        self.assertEqual([lines[0] for lines in seen], ["one", "two", "three"])
        self.assertEqual({lines[1] for lines in seen}, {"agent"})
        self.assertEqual(len({lines[2] for lines in seen}), 3, "a boot each")
        self.assertEqual([lines[-2:] for lines in seen], [[f"GREETING={name}", "mark"] for name in ("one", "two", "three")], seen)
        pool = self.pool()
        self.assertEqual((pool["hits"], pool["misses"], pool["failures"]), (3, 0, 0))
        self.assertFalse({vm["name"] for vm in first["vms"]} & {vm["name"] for vm in pool["vms"]}, "used once")
        with open(self.sandbox.path("metrics"), encoding="utf-8") as file:
            self.assertIn('agentvm_pool_hits_total{pool="small"} 3\n', file.read())

    def test_the_verbs_of_a_claimed_vm(self):
        self.wait_for_idle()
        data = os.urandom(3 << 20)
        run = self.claim("sleep", "600", options=("--name", "mine", "-d", "--keep", "--workspace-mode", "read-only"))
        self.assert_code(run, 0)
        echoed = self.sandbox.run("exec", "mine", "--", "cat", input=data)
        self.assertEqual((echoed.code, echoed.out == data), (0, True))
        refused = self.sandbox.run("exec", "mine", "--", "touch", "new")
        self.assertIn("Read-only file system", refused.stderr)
        self.assertEqual(self.sandbox.run("exec", "--user", "root", "mine", "--", "id", "-u").stdout, "0\n")
        self.assertIn("mine", self.sandbox.run("ls", "-q").stdout.split())
        self.assert_code(self.sandbox.run("stop", "mine"), 0)
        self.assert_code(self.sandbox.run("destroy", "mine"), 0)
        self.wait_for_idle()

    def test_two_at_once_and_a_third_that_boots_its_own(self):
        self.wait_for_idle()
        runs = []
        for name in ("left", "right", "third"):
            os.mkdir(self.sandbox.path(name))
            runs.append(self.sandbox.start("run", "--json", "-v", "--pool", "small", "--name", name, self.sandbox.path(name), "--command",
                                           "--", "sh", "-c", "hostname > me; while [ ! -e go ]; do sleep 0.1; done"))
            if name == "right":
                for run in runs:
                    run.wait_event("agent-started")
                self.assert_code(self.sandbox.run("pool", "resize", "small", "0", "--json"), 0)
        third = runs[2]
        third.wait_event("agent-started")
        self.assertIn("the pool small gave no VM, so one is booted", third.text("stderr"))
        for name in ("left", "right", "third"):
            self.sandbox.write(f"{name}/go")
        for name, run in zip(("left", "right", "third"), runs):
            self.assert_code(run.finish(), 0)
            with open(self.sandbox.path(name, "me"), encoding="utf-8") as file:
                self.assertEqual(file.read(), f"{name}\n")

    def test_kills(self):
        """Of poold, of a keeper, of a VMM and of a caller: nothing is left, and the pool is full again."""
        before = {vm["name"] for vm in self.wait_for_idle()["vms"]}
        self.poold.process.send_signal(signal.SIGKILL)
        self.poold.process.wait()
        self.start_pool()
        after = {vm["name"] for vm in self.wait_for_idle()["vms"]}
        self.assertEqual(before, after, "a new poold has the VMs of the old one")

        keeper = self.find("agentvm-keeper")[0]
        keeper.kill()
        wait_until(lambda: keeper.words[1] not in {vm["name"] for vm in self.pool()["vms"]}, 20, "the pool to miss it")
        self.wait_for_idle()
        vmm = self.find(self.VMM)[0]
        vmm.kill()
        wait_until(lambda: self.pool()["failures"] == 2, 30, "the pool to miss it")
        self.wait_for_idle()

        run = self.sandbox.start("run", "--json", "--pool", "small", "--name", "mine", self.sandbox.workspace, "--command", "--", "sleep", "600")
        run.wait_event("agent-started")
        vm = self.sandbox.vm("mine").wait_known()
        for supervisor in vm.find("agentvm-supervisor"):
            supervisor.kill()
        self.wait_for_idle()
        wait_until(lambda: self.pool()["claimed"] == 0, 20, "the claimed VM to go")
        run.finish(20)
        self.sandbox.run("gc")
        wait_until(lambda: len(self.find(self.VMM)) == 2, 20, "two idle VMs and no other")

    def test_named_by_a_profile(self):
        """pool = NAME is the flag; what a pool's VMs are not any more goes with poold's next start."""
        self.wait_for_idle()
        self.sandbox.write_profile("small", 'pool = "small"\n' + harness.SMALL_PROFILE.replace("256MiB", "512MiB"))
        self.poold.process.send_signal(signal.SIGKILL)
        self.poold.process.wait()
        self.start_pool()
        wait_until(lambda: [(vm["phase"], vm["machine"]["disk_bytes"]) for vm in (self.pool() or {"vms": []})["vms"]] == [("idle", 512 << 20)] * 2,
                   120, "two idle VMs with another disk")
        planned = self.sandbox.run("run", "--profile", "small", "--dry-run", self.sandbox.workspace, "--command", "--", "true")
        self.assertRegex(planned.stdout, r"pool +small: a VM of it, or one is booted")
        run = self.sandbox.run("run", "-v", "--profile", "small", self.sandbox.workspace, "--command", "--", "hostname")
        self.assert_code(run, 0)
        self.assertRegex(run.stderr, r"The VM is pool-small-[0-9a-f]{6} of the pool small", run)

    def test_a_profile_with_a_mistake(self):
        """It is told by status in the profile's own words; the other pools are filled."""
        self.end_pool()
        self.sandbox.write("pools.toml", POOLS + '[pools.other]\nprofile = "nowhere"\n')
        self.poold = self.sandbox.start("pool", "serve", "--config", self.sandbox.path("pools.toml"))
        self.wait_for_idle()
        run = self.sandbox.run("pool", "status")
        self.assertRegex(run.stderr + run.stdout, r"of other ended before they were claimed, the last one: pool-other-[0-9a-f]{6}: "
                                                  r"there is no profile 'nowhere'")

    def find(self, program):
        """Of the idle VMs."""
        return find(self.sandbox, program)


if __name__ == "__main__":
    harness.main()
