# ending_test.py - how a run ends: reports of any size, readers that stop, deadlines, a state directory that is full.
import json
import os
import subprocess
import time

import harness
from harness import VmTestCase, small

# Far beyond every queue between the guest and the reader; AGENTVM_TEST_LARGE=1 makes it 50,000, 100 MB and 100,000.
LARGE = bool(os.environ.get("AGENTVM_TEST_LARGE"))
FILES, OUTPUT, CALLS = (50_000, 100_000_000, 100_000) if LARGE else (3_000, 5_000_000, 5_000)
MOST_LISTED = 10_000

WRITES = f"import sys\nfor i in range({FILES}): open(f'a-file-with-a-long-name-{{i}}', 'w').write('x\\n')\nsys.exit(7)\n"

SERVER = """import json, sys
for line in sys.stdin:
    request = json.loads(line)
    print(json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": {}}), flush=True)
"""
# Calls a tool that the profile refuses, over and over, without waiting for answers; then one that is answered.
CALLER = f"""import json, subprocess, sys, threading
bridge = subprocess.Popen(["/run/agentvm/agentvm-guest", "bridge", "mcp/x"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
def call(number, tool):
    words = {{"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": {{"name": tool, "arguments": {{}}}}}}
    bridge.stdin.write(json.dumps(words).encode() + b"\\n")
def ask():
    for number in range({CALLS}):
        call(number, "denied")
    call({CALLS}, "allowed")
    bridge.stdin.flush()
threading.Thread(target=ask).start()
refused = 0
for line in bridge.stdout:
    answer = json.loads(line)
    if answer["id"] == {CALLS}:
        break
    refused += "error" in answer or answer["result"].get("isError", False)
print(refused)
sys.exit(5)
"""


class Ending(VmTestCase):
    def test_a_large_report_arrives_whole(self):
        run = self.sandbox.run(*small("--report", self.sandbox.path("report.json")), self.sandbox.workspace, "--command", "--",
                               "python3", "-c", WRITES, limit=900)
        self.assert_code(run, 7)
        listed = min(FILES, MOST_LISTED)
        self.assertIn(f"files changed: {listed}" + (" and more" if FILES > listed else ""), run.stderr, run)
        with open(self.sandbox.path("report.json"), encoding="utf-8") as file:
            report = json.load(file)
        self.assertEqual((report["exit_code"], len(report["files"])), (7, listed))
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
        process, reading = self.unread(*small(), self.sandbox.workspace, "--command", "--", "sh", "-c", f"yes | head -c {OUTPUT}; exit 3")
        size = 0
        try:
            time.sleep(20)  # the run has said all that fits anywhere by then
            while piece := os.read(reading, 1 << 16):
                size += len(piece)
            self.assertEqual((process.wait(60), size), (3, OUTPUT))
        finally:
            process.kill()
            os.close(reading)
        self.sandbox.assert_nothing_left()


    def test_thousands_of_refused_calls(self):
        """Each is answered, the report counts them, and what happens after them is still told."""
        server = self.sandbox.write("servers/srv.py", SERVER)
        profile = self.sandbox.write_profile("served", f"""{harness.SMALL_PROFILE}
[mcp.x]
command = ["/usr/bin/python3", "{server}"]
tools.deny = ["denied"]
""")
        report = self.sandbox.path("report.json")
        run = self.sandbox.run("run", "--profile", profile, "--report", report, self.sandbox.workspace, "--command", "--", "python3", "-c",
                               CALLER, limit=900)
        self.assert_code(run, 5)
        self.assertEqual(run.stdout, f"{CALLS}\n", run)
        with open(report, encoding="utf-8") as file:
            told = json.load(file)
        self.assertEqual(told["exit_code"], 5)
        self.sandbox.assert_nothing_left()


if __name__ == "__main__":
    harness.main()
