# ending_test.py - how a run ends: reports of any size, readers that stop, deadlines, a state directory that is full.
import json
import os
import subprocess
import time

import harness
from harness import VmTestCase, small

MANY = "import sys\nfor i in range(3000): open(f'a-file-with-a-long-name-{i}', 'w').write('x\\n')\nsys.exit(7)\n"


class Ending(VmTestCase):
    def test_a_large_report_arrives_whole(self):
        run = self.sandbox.run(*small("--report", self.sandbox.path("report.json")), self.sandbox.workspace, "--command", "--",
                               "python3", "-c", MANY, limit=180)
        self.assert_code(run, 7)
        self.assertIn("files changed: 3000", run.stderr, run)
        with open(self.sandbox.path("report.json"), encoding="utf-8") as file:
            report = json.load(file)
        self.assertEqual((report["exit_code"], len(report["files"])), (7, 3000))
        self.sandbox.assert_nothing_left()

    def unread(self, *words):
        """(process, its unread stdout) of an agentvm."""
        reading, writing = os.pipe()
        process = subprocess.Popen(self.sandbox._argv(words), stdin=subprocess.DEVNULL, stdout=writing, stderr=subprocess.DEVNULL,
                                   env=self.sandbox.env, cwd=self.sandbox.directory)
        os.close(writing)
        return process, reading

    def test_nobody_who_does_not_read_holds_up_a_timeout(self):
        process, reading = self.unread(*small("--name", "unread", "--timeout", "3s"), self.sandbox.workspace, "--command", "--", "sh",
                                       "-c", "yes | head -c 3000000; sleep 600")
        try:
            self.assertEqual(process.wait(90), 124)
        finally:
            process.kill()
            os.close(reading)
        self.sandbox.assert_nothing_left()

    def test_a_stop_keeps_its_deadline_though_nobody_reads(self):
        process, reading = self.unread(*small("--name", "stopped"), self.sandbox.workspace, "--command", "--", "sh", "-c",
                                       "trap '' TERM; yes | head -c 3000000; sleep 600")
        try:
            self.sandbox.vm("stopped").wait_known(60)
            deadline = time.monotonic() + 60
            while self.sandbox.run("exec", "stopped", "--", "true").code != 0 and time.monotonic() < deadline:
                time.sleep(0.5)
            start = time.monotonic()
            stop = self.sandbox.run("stop", "stopped", "--deadline", "1")
            self.assert_code(stop, 0)
            self.assertLess(time.monotonic() - start, 15, "the deadline is a second, what is beside it has limits of its own")
        finally:
            process.kill()
            process.wait()
            os.close(reading)
        self.sandbox.assert_nothing_left()

    def test_a_guest_that_boots_too_slowly(self):
        run = self.sandbox.run(*small("--boot-timeout", "300ms"), self.sandbox.workspace, "--command", "--", "true", limit=60)
        self.assert_code(run, 125)
        self.assertIn("waited 300 ms for the guest to boot", run.stderr, run)
        self.assertIn("--boot-timeout gives it more time", run.stderr, run)
        self.sandbox.assert_nothing_left()

    def test_all_output_arrives_at_a_reader_that_pauses(self):
        process, reading = self.unread(*small(), self.sandbox.workspace, "--command", "--", "sh", "-c", "yes | head -c 5000000; exit 3")
        size = 0
        try:
            time.sleep(20)  # the run has said all that fits anywhere by then
            while piece := os.read(reading, 1 << 16):
                size += len(piece)
            self.assertEqual((process.wait(60), size), (3, 5_000_000))
        finally:
            process.kill()
            os.close(reading)
        self.sandbox.assert_nothing_left()


if __name__ == "__main__":
    harness.main()
