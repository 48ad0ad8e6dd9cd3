# map_test.py - agentvm map with real VMs: killed in the middle and resumed, every task ends once and nothing is left.
import json
import os
import signal
import unittest

import harness
from harness import VmTestCase
from patience import wait_until

# One line for each time that the task ran to its end.
COUNT = "echo ran >> ran; exit $0"
# The same, but not before it is told.
WAIT = "touch here; while [ ! -e go ]; do sleep 0.05; done; echo ran >> ran"


class Map(VmTestCase):
    def tasks(self, name, **scripts):
        lines = []
        for task, words in scripts.items():
            os.makedirs(self.sandbox.path(name, task))
            lines.append({"id": task, "workspace": f"{name}/{task}", "command": ["sh", "-c", *words]})
        return self.sandbox.write(f"{name}.jsonl", "".join(json.dumps(line) + "\n" for line in lines))

    def results(self, name):
        path = self.sandbox.path(f"{name}.results.jsonl")
        if not os.path.exists(path):
            return []
        with open(path, encoding="utf-8") as file:
            return [json.loads(line) for line in file]

    def ran(self, name, task):
        with open(self.sandbox.path(name, task, "ran"), encoding="utf-8") as file:
            return len(file.readlines())

    def test_kill_and_resume(self):
        file = self.tasks("killed", quick=(COUNT, "0"), failing=(COUNT, "7"), slow=(WAIT,), other=(WAIT,))
        running = self.sandbox.start("map", file, "--jobs", "2", "--profile", "small")
        here = [self.sandbox.path("killed", task, "here") for task in ("slow", "other")]
        wait_until(lambda: all(map(os.path.exists, here)) and len(self.results("killed")) == 2, 120,
                   "two results, and two tasks that run")
        running.process.kill()
        running.finish()
        self.sandbox.assert_nothing_left(limit=20)
        before = self.results("killed")
        for task in ("slow", "other"):
            self.sandbox.write(f"killed/{task}/go")
        run = self.sandbox.run("map", file, "--jobs", "2", "--profile", "small", "--resume")
        self.assert_code(run, 1)
        after = self.results("killed")
        self.assertEqual(after[:len(before)], before, "what was done stays as it was")
        self.assertEqual({result["id"]: result["exit_code"] for result in after},
                         {"quick": 0, "failing": 7, "slow": 0, "other": 0})
        self.assertEqual(len(after), 4, "one result for each task")
        for task in ("quick", "failing", "slow", "other"):
            self.assertEqual(self.ran("killed", task), 1, task)
        report = next(result for result in after if result["id"] == "quick")["report"]
        self.assertEqual(report["ended"], "agent ended")
        self.assertIn("ran", [change["path"] for change in report["files"]])
        self.sandbox.assert_nothing_left()

    def test_ctrl_c_ends_the_vms_in_order(self):
        file = self.tasks("stopped", one=(WAIT,), two=(WAIT,))
        running = self.sandbox.start("map", file, "--jobs", "2", "--profile", "small")
        wait_until(lambda: all(os.path.exists(self.sandbox.path("stopped", task, "here")) for task in ("one", "two")), 120,
                   "both tasks")
        running.process.send_signal(signal.SIGINT)
        self.assert_code(running.finish(60), 130)
        self.assertEqual(self.results("stopped"), [])
        self.sandbox.assert_nothing_left()

    def test_a_lost_vm_is_tried_again(self):
        file = self.tasks("lost", task=(WAIT,))
        running = self.sandbox.start("map", file, "--profile", "small")
        here = self.sandbox.path("lost/task/here")
        wait_until(lambda: os.path.exists(here), 120, "the task")
        os.unlink(here)
        [name] = self.sandbox.run("ls", "-q").stdout.split()
        for process in self.sandbox.vm(name).wait_known().find("qemu-system", "cloud-hypervisor"):
            process.kill()
        wait_until(lambda: os.path.exists(here), 120, "the task again")
        self.sandbox.write("lost/task/go")
        self.assert_code(running.finish(60), 0)
        [result] = self.results("lost")
        self.assertEqual((result["exit_code"], result["attempts"]), (0, 2))
        self.assertEqual(self.ran("lost", "task"), 1)
        self.sandbox.assert_nothing_left()


if __name__ == "__main__":
    harness.main()
