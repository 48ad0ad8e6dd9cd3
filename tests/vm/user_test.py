# user_test.py - everything again as an ordinary user without any privilege, not even the right to gain one.
import os
import shutil
import unittest

import harness
from harness import Sandbox

UID = 45219  # nobody's on any usual machine


def give_tools(sandbox):
    """Programs, kernel and tools of the sandbox's owner: the cache and the build belong to root, maybe in a place nobody
    else may enter."""
    os.chmod(sandbox.directory, 0o755)
    programs = sandbox.path("bin")
    os.mkdir(programs)
    for name in harness.PROGRAMS:
        shutil.copy(harness.program(name), programs)
    sandbox.programs = programs
    cache = sandbox.path("cache/agentvm")
    real = harness.real_cache()
    if real:
        os.makedirs(f"{cache}/tools")
        for name in ("kernel", "tools/bin"):
            if os.path.isdir(f"{real}/{name}"):
                shutil.copytree(f"{real}/{name}", f"{cache}/{name}", symlinks=True)
    for root, directories, files in os.walk(sandbox.path("cache")):
        for path in [root, *(os.path.join(root, name) for name in directories + files)]:
            os.lchown(path, sandbox.owner, sandbox.owner)
    sandbox.env["XDG_CACHE_HOME"] = sandbox.path("cache")


class OrdinaryUser(unittest.TestCase):
    MACHINE = ()  # options that say who runs it

    @classmethod
    def setUpClass(cls):
        if os.getuid() != 0:
            raise unittest.SkipTest("becoming another user takes root; as an ordinary user the other tests show the same")
        reason = harness.missing_for_vms()
        if reason:
            raise unittest.SkipTest(reason)
        cls.sandbox = cls.enterClassContext(Sandbox(owner=UID))
        give_tools(cls.sandbox)

    def test_run(self):
        run = self.sandbox.run(*harness.small(*self.MACHINE), self.sandbox.workspace, "--command", "--", "sh", "-c",
                               "id; sudo -n id -u; echo a > agent; sudo -n sh -c 'echo r > root'; "
                               "sudo -n mknod device c 1 5; sudo -n chown 0 root; echo err >&2; exit 7")
        self.assertEqual(run.code, 7, run)
        self.assertRegex(run.stdout, r"\Auid=1000\(agent\)[^\n]*\n0\n\Z")
        self.assertIn("err\n", run.stderr)
        for name in ("agent", "root"):
            info = os.stat(os.path.join(self.sandbox.workspace, name))
            self.assertEqual((info.st_uid, info.st_gid), (UID, UID), name)
        self.assertFalse(os.path.lexists(os.path.join(self.sandbox.workspace, "device")))
        self.sandbox.assert_nothing_left()

    def test_more_files_than_the_host_lets_open(self):
        """A share holds a descriptor for each file that the guest remembers; the guest must forget in time."""
        os.mkdir(self.sandbox.path("ws", "many"), 0o755)
        for number in range(3000):
            with open(self.sandbox.path("ws", "many", str(number)), "wb") as file:
                file.write(b"x")
        self.sandbox.before = ("prlimit", "--nofile=2000:2000")
        try:
            run = self.sandbox.run(*harness.small(*self.MACHINE), self.sandbox.workspace, "--command", "--", "sh", "-c",
                                   "cat many/* | wc -c; cat many/* | wc -c; echo after")
        finally:
            self.sandbox.before = ()
            shutil.rmtree(self.sandbox.path("ws", "many"))
        self.assertEqual((run.code, run.stdout), (0, "3000\n3000\nafter\n"), run)

    def test_kill_of_the_supervisor(self):
        running = self.sandbox.start(*harness.small(*self.MACHINE, "--name", "gone", "--json"), self.sandbox.workspace,
                                     "--command", "--", "sleep", "600")
        running.wait_event("agent-started")
        vm = self.sandbox.vm("gone").wait_known()
        vm.wait_for("agentvm-supervisor").kill()
        self.assertEqual(running.finish(30).code, 125)
        self.sandbox.assert_nothing_left(vm, gc=True)

    def test_exec_in_a_detached_vm(self):
        run = self.sandbox.run(*harness.small(*self.MACHINE, "--name", "stays", "--detach"), self.sandbox.workspace,
                               "--command", "--", "sleep", "600")
        self.assertEqual(run.code, 0, run)
        self.assertEqual(self.sandbox.run("exec", "stays", "--", "cat", input=b"through").out, b"through")
        self.assertEqual(self.sandbox.run("destroy", "stays").code, 0)
        self.sandbox.assert_nothing_left(limit=2)


if __name__ == "__main__":
    harness.main()
