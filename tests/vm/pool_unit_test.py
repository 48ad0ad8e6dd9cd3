# pool_unit_test.py - the service agentvm-pool as its unit has it: ExecStart=, User=, groups and variables, without systemd.
#
# The unit's directories are the test's, and so are the users and the group that it names; all else is what systemd is told.
# What only systemd does (the sandbox, control groups, restarts) is not shown here: tests/lint/units_test.py reads it.
import os
import re
import shlex
import shutil
import signal
import stat
import subprocess
import unittest

import harness
import processes
from harness import Sandbox, seconds, wait_until
from running import Running
from user_test import UID, give_tools

CALLER, STRANGER, GROUP = UID + 1, UID + 2, UID + 10
UNIT = os.path.join(os.path.dirname(harness.BIN), "launcher", "pool", "systemd-build", "agentvm-pool.service")
POOLS = """\
boots_at_once = 1
[pools.small]
size = 1
"""


def service(path):
    """The [Service] section: values by name, in the file's order."""
    found = {}
    with open(path, encoding="utf-8") as unit:
        for line in unit.read().split("[Service]", 1)[1].split("[Install]", 1)[0].splitlines():
            name, equals, value = line.partition("=")
            if equals and not line.startswith("#"):
                found.setdefault(name, []).append(value)
    return found


class PoolUnit(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if os.getuid() != 0:
            raise unittest.SkipTest("becoming other users takes root")
        if reason := harness.missing_for_vms():
            raise unittest.SkipTest(reason)
        cls.pool = cls.enterClassContext(Sandbox(owner=UID))
        cls.caller = cls.enterClassContext(Sandbox(owner=CALLER))
        cls.stranger = cls.enterClassContext(Sandbox(owner=STRANGER))
        cls.caller.groups = (GROUP,)
        for sandbox in (cls.pool, cls.caller):
            give_tools(sandbox)
        os.chmod(cls.stranger.directory, 0o755)
        cls.stranger.programs = cls.caller.programs
        cls.unit = service(UNIT)
        cls.places = cls.make_places()
        cls.socket = cls.here("/run/agentvm-pool/pool.sock")
        for sandbox in (cls.caller, cls.stranger):
            sandbox.env["AGENTVM_POOL_SOCKET"] = cls.socket
        cls.poold = cls.start()

    @classmethod
    def tearDownClass(cls):
        cls.poold.process.terminate()
        cls.poold.process.wait(seconds(20))
        for process in processes.find(cls.pool.directory):
            process.kill()
        processes.wait_gone(lambda: processes.find(cls.pool.directory), seconds(20))

    @classmethod
    def make_places(cls):
        """What systemd makes of RuntimeDirectory= and its like, and the packager's files, below the test's directory."""
        places = {"/etc/agentvm/": cls.pool.path("etc/agentvm/")}
        for setting, parent, mine in (("Runtime", "/run", "run"), ("State", "/var/lib", "state"), ("Cache", "/var/cache", "cache")):
            name, = cls.unit[f"{setting}Directory"]
            path = cls.pool.path(mine)
            os.makedirs(path, exist_ok=True)
            os.chown(path, UID, UID)
            os.chmod(path, int(cls.unit[f"{setting}DirectoryMode"][0], 8))
            places[f"{parent}/{name}"] = path
        cls.pool.write("etc/agentvm/pools.toml", POOLS)
        # The pool's own profile: what HOME= leads to.
        os.makedirs(cls.pool.path("state/.config/agentvm"), exist_ok=True)
        shutil.copytree(cls.pool.path("config/agentvm/profiles"), cls.pool.path("state/.config/agentvm/profiles"))
        os.chmod(cls.pool.path("state/.config"), 0o755)
        with open("/etc/group", encoding="utf-8") as file:
            known = re.sub(r"(?m)^(agentvm|kvm):.*\n", "", file.read())
        cls.group = cls.pool.write("etc/group", f"{known}agentvm:x:{GROUP}:\nkvm:x:{GROUP + 1}:\n")
        return places

    @classmethod
    def here(cls, text):
        for place, mine in cls.places.items():
            text = text.replace(place, mine)
        return text

    @classmethod
    def start(cls):
        command, = cls.unit["ExecStart"]
        program, *words = shlex.split(cls.here(command))
        assert os.path.basename(program) == "agentvm-poold", command
        words.remove("--cgroup")  # systemd's to give; tests/nested/cloud_hypervisor_pool_test.py shows what it does
        assert (cls.unit["User"], cls.unit["Group"]) == (["agentvm-pool"], ["agentvm-pool"]), cls.unit
        assert (cls.unit["SupplementaryGroups"], cls.unit["NoNewPrivileges"]) == (["agentvm kvm"], ["yes"]), cls.unit
        assert (cls.unit["CapabilityBoundingSet"], cls.unit["KillMode"]) == ([""], ["process"]), cls.unit
        variables = dict(word.split("=", 1) for line in cls.unit["Environment"] for word in cls.here(line).split())
        # /etc/group is the test's in a mount namespace of poold's own, so that --group is the unit's word.
        argv = ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" /etc/group && umask "$1" && shift && exec "$@"', cls.group,
                cls.unit["UMask"][0], "setpriv", f"--reuid={UID}", f"--regid={UID}", f"--groups={GROUP},{GROUP + 1}",
                "--no-new-privs", "--bounding-set=-all", os.path.join(cls.pool.programs, "agentvm-poold"), *words]
        running = Running(argv, {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin", **variables}, "/")
        wait_until(lambda: running.process.poll() is not None or os.path.exists(cls.socket), 20, "agentvm-poold")
        return running

    def members(self):
        shown = self.caller.run("pool", "status", "--json")
        self.assertEqual(shown.code, 0, shown)
        return {vm["name"]: vm["phase"] for vm in shown.json()["pools"][0]["vms"]}

    def wait_idle(self):
        return wait_until(lambda: [name for name, phase in self.members().items() if phase == "idle"], 120, "an idle VM")

    def test_the_socket_is_the_groups(self):
        info = os.stat(self.socket)
        self.assertEqual((stat.S_IMODE(info.st_mode), info.st_uid, info.st_gid), (0o660, UID, GROUP))
        refused = self.stranger.run("pool", "status")
        self.assertNotEqual(refused.code, 0, refused)
        self.assertIn("Permission denied", refused.stderr)
        # What lies beside it is the pool's alone.
        entered = subprocess.run(["setpriv", f"--reuid={CALLER}", f"--regid={CALLER}", f"--groups={GROUP}", "ls",
                                  self.here("/run/agentvm-pool/agentvm")], capture_output=True, text=True, check=False)
        self.assertIn("Permission denied", entered.stderr)

    def test_another_user_of_the_group_has_a_vm(self):
        name, = self.wait_idle()
        self.caller.write("ws/file", "of the caller\n")
        run = self.caller.run("run", "-v", "--pool", "small", self.caller.workspace, "--command", "--", "sh", "-c", "cat file; echo made >made")
        self.assertEqual((run.code, run.stdout), (0, "of the caller\n"), run)
        self.assertIn(f"{name} of the pool small", run.stderr)
        self.assertEqual(os.stat(self.caller.path("ws/made")).st_uid, CALLER)
        self.caller.assert_nothing_left()
        metrics = re.search(r"--metrics (\S+)", self.here(self.unit["ExecStart"][0])).group(1)

        def counted():
            with open(metrics, encoding="utf-8") as file:
                return re.search(r'agentvm_pool_hits_total\{pool="small"\} [1-9]', file.read())

        wait_until(counted, 20, "the hit in the figures")
        self.assertEqual(stat.S_IMODE(os.stat(metrics).st_mode), 0o644)

    def test_a_killed_one_has_its_vms_again(self):
        before = self.wait_idle()
        # With KillMode=process systemd ends no other process, and Restart=on-failure starts the same command.
        self.assertEqual(self.unit["Restart"], ["on-failure"])
        PoolUnit.poold.process.send_signal(signal.SIGKILL)
        PoolUnit.poold.process.wait(seconds(20))
        os.unlink(self.socket)  # so that the new one's is waited for
        PoolUnit.poold = self.start()
        self.assertEqual(self.wait_idle(), before)


if __name__ == "__main__":
    harness.main()
