# slurm_test.py - agentvm map --slurm on a real Slurm of three nodes: a node dies, jobs are cancelled, map is killed.
import json
import os
import shutil
import signal
import subprocess
import tempfile
import unittest

import harness
import processes
from harness import VmTestCase
from patience import seconds, wait_until

DEMO = os.path.join(harness.SOURCE, "templates/fleet/demo")
NODES = ("node1", "node2", "node3")
PATH = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
# A task that takes its time, and says in its last act that it has run.
SLOW = "hostname > here; sleep 3; echo ran >> ran"
WAIT = "touch here; while [ ! -e go ]; do sleep 0.05; done; echo ran >> ran"


class Demo:
    """The cluster of templates/fleet/demo, outside of every sandbox."""

    def __init__(self):
        self.directory = tempfile.mkdtemp(prefix="avf-", dir="/tmp")
        os.rmdir(self.directory)
        self.conf = f"{self.directory}/slurm.conf"
        self.process = subprocess.Popen([DEMO, "--cpus", "1", "--directory", self.directory, "sleep", "infinity"],
                                        env={"PATH": PATH, "LANG": "C.UTF-8"}, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        line = self.process.stderr.readline().decode()
        if "nodes are up" not in line:
            raise AssertionError(f"the demo cluster did not start: {line}{self.process.stderr.read().decode()}")

    def ask(self, *argv):
        return subprocess.run(argv, env={"PATH": PATH, "SLURM_CONF": self.conf}, check=True, capture_output=True, text=True,
                              timeout=seconds(60)).stdout

    def running(self):
        """Names of nodes that run something, by the index of the array's element."""
        shown = self.ask("squeue", "--noheader", "--array", "--states=RUNNING", "--format=%K|%N")
        return dict(line.split("|") for line in shown.splitlines())

    def end(self):
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(seconds(90))
        self.process.stderr.close()
        shutil.rmtree(self.directory, ignore_errors=True)


def missing():
    if os.geteuid() != 0:
        return "the demo cluster takes root"
    needed = ("slurmctld", "slurmd", "munged", "sbatch")
    lacking = [name for name in needed if not shutil.which(name, path=PATH)]
    return f"{', '.join(lacking)} is not installed" if lacking else ""


class Slurm(VmTestCase):
    @classmethod
    def setUpClass(cls):
        reason = missing()
        if reason:
            raise unittest.SkipTest(reason)
        super().setUpClass()
        cls.demo = Demo()
        cls.addClassCleanup(cls.demo.end)
        cls.env = {"SLURM_CONF": cls.demo.conf, "PATH": f"{cls.sandbox.env['PATH']}"}

    def tasks(self, name, count, script):
        lines = []
        for number in range(1, count + 1):
            os.makedirs(self.sandbox.path(name, f"t{number}"))
            lines.append({"id": f"t{number}", "workspace": f"{name}/t{number}", "command": ["sh", "-c", script]})
        return self.sandbox.write(f"{name}.jsonl", "".join(json.dumps(line) + "\n" for line in lines))

    def start(self, file, *words):
        return self.sandbox.start("map", file, "--slurm", "--profile", "small", *words, env=self.env)

    def results(self, name):
        path = self.sandbox.path(f"{name}.results.jsonl")
        if not os.path.exists(path):
            return []
        with open(path, encoding="utf-8") as file:
            return [json.loads(line) for line in file]

    def lines(self, *parts):
        path = self.sandbox.path(*parts)
        if not os.path.exists(path):
            return 0
        with open(path, encoding="utf-8") as file:
            return len(file.readlines())

    def here(self, name, task):
        return os.path.exists(self.sandbox.path(name, task, "here"))

    def test_a_node_dies_and_every_task_ends_once(self):
        file = self.tasks("many", 30, SLOW)
        running = self.start(file)

        def busy():
            """An element that works on node2."""
            return next((index for index, node in self.demo.running().items()
                         if node == "node2" and self.here("many", f"t{index}") and not self.lines("many", f"t{index}", "ran")), None)

        victim = wait_until(busy, 300, "a task on node2")
        with open(f"{self.demo.directory}/node2.pid", encoding="utf-8") as pid:
            os.kill(int(pid.read()), signal.SIGKILL)
        print(f"node2 was killed with t{victim} on it and {len(self.results('many'))} of 30 tasks done")
        self.assert_code(running.finish(1200), 0)
        results = self.results("many")
        self.assertEqual(sorted(result["id"] for result in results), sorted(f"t{number}" for number in range(1, 31)))
        self.assertEqual({result["exit_code"] for result in results}, {0})
        self.assertEqual({number: self.lines("many", f"t{number}", "ran") for number in range(1, 31)},
                         {number: 1 for number in range(1, 31)})
        hosts = {result["id"]: result["host"] for result in results}
        self.assertNotEqual(hosts[f"t{victim}"], "node2", "it was done elsewhere")
        self.assertTrue({"node1", "node3"} <= set(hosts.values()) <= set(NODES), hosts)
        self.assertFalse(os.path.exists(self.sandbox.path("many.results.jsonl.slurm")))
        # The dead node's VM left its directories; nobody was there to remove them.
        self.sandbox.assert_nothing_left(gc=True, limit=20)
        with open(f"{self.demo.directory}/jobs.txt", encoding="utf-8") as file:
            done = [line for line in file if "JobState=COMPLETED" in line and f"ArrayJobId={results[0]['job'].split('_')[0]} " in line]
        self.assertEqual(len(done), 30, "an account of each")

    def test_ctrl_c_cancels_the_job_and_its_vms_end(self):
        file = self.tasks("stopped", 2, WAIT)
        running = self.start(file)
        wait_until(lambda: self.here("stopped", "t1") or self.here("stopped", "t2"), 120, "a task")
        running.process.send_signal(signal.SIGINT)
        self.assert_code(running.finish(120), 130)
        self.assertEqual(self.results("stopped"), [])
        self.sandbox.assert_nothing_left(limit=30)

    def test_scancel_ends_a_vm_and_resume_does_the_task(self):
        file = self.tasks("cancelled", 1, WAIT)
        running = self.start(file)
        wait_until(lambda: self.here("cancelled", "t1"), 120, "the task")
        self.demo.ask("scancel", "--user=root")
        result = running.finish(120)
        self.assert_code(result, 1)
        self.assertIn("1 task was cancelled in Slurm", result.stderr)
        self.sandbox.assert_nothing_left(limit=30)
        self.sandbox.write("cancelled/t1/go")
        self.assert_code(self.start(file, "--resume").finish(120), 0)
        self.assertEqual([result["exit_code"] for result in self.results("cancelled")], [0])
        self.assertEqual(self.lines("cancelled", "t1", "ran"), 1)

    def test_a_killed_map_is_resumed_with_the_job_it_left(self):
        file = self.tasks("killed", 3, WAIT)
        running = self.start(file)
        wait_until(lambda: self.here("killed", "t1"), 120, "the task")
        running.process.kill()
        running.finish()
        resumed = self.start(file, "--resume")
        resumed.wait_text("of an earlier map is still in Slurm", "stderr")
        for number in (1, 2, 3):
            self.sandbox.write(f"killed/t{number}/go")
        self.assert_code(resumed.finish(300), 0)
        self.assertEqual(sorted(result["id"] for result in self.results("killed")), ["t1", "t2", "t3"])
        self.assertEqual([self.lines("killed", f"t{number}", "ran") for number in (1, 2, 3)], [1, 1, 1])
        self.sandbox.assert_nothing_left(limit=30)


@unittest.skipIf(missing(), missing())
class TheDemoItself(unittest.TestCase):
    def assert_gone(self, demo):
        self.assertEqual(processes.wait_gone(lambda: processes.find(demo.directory), seconds(30)), [])
        wait_until(lambda: not os.path.exists(demo.directory), 10, "the directory to go")
        self.assertEqual(processes.mounts_below(demo.directory), [])

    def test_nothing_is_left_when_it_ends(self):
        demo = Demo()
        demo.process.terminate()
        demo.process.wait(seconds(60))
        self.assert_gone(demo)
        demo.end()

    def test_nothing_is_left_when_it_is_killed(self):
        demo = Demo()
        demo.ask("sbatch", "--wrap=sleep 600", "--output=/dev/null", "--mem=64M")
        wait_until(demo.running, 30, "the job")
        demo.process.kill()
        demo.process.wait()
        self.assert_gone(demo)
        demo.end()

    def test_it_ends_without_what_it_cannot_do_without(self):
        demo = Demo()
        with open(f"{demo.directory}/slurmctld.pid", encoding="utf-8") as file:
            os.kill(int(file.read()), signal.SIGKILL)
        self.assertEqual(demo.process.wait(seconds(60)), 1)
        self.assertIn("slurmctld ended", demo.process.stderr.read().decode())
        self.assert_gone(demo)
        demo.end()


if __name__ == "__main__":
    harness.main()
