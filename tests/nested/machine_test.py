# machine_test.py - nested.py itself: output, exit codes, a working KVM, and nothing of it left, not even when it is killed.
import os
import shutil
import subprocess
import sys
import unittest

import harness
import nested
import nested_case
from patience import seconds, wait_until

PROGRAM = os.path.join(nested.HERE, "nested.py")


class Machine(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        reason = harness.missing_for_vms() or nested.missing()
        if reason:
            raise unittest.SkipTest(reason)

    def test_output_exit_code_and_kvm(self):
        script = "id -u; echo err >&2; test -c /dev/kvm && echo kvm; touch /etc/agentvm-nested; ls -d /sys/class/net/*; exit 7"
        done = subprocess.run([sys.executable, PROGRAM, "--", "sh", "-c", script], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=seconds(120), check=False)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (7, b"0\nkvm\n/sys/class/net/lo\n", b"err\n"))
        self.assertFalse(os.path.exists("/etc/agentvm-nested"), "what it writes is forgotten")
        self.assertEqual((nested_case.processes_left(), nested_case.directories_left()), ([], []))

    def test_killed(self):
        running = subprocess.Popen([sys.executable, PROGRAM, "--", "sh", "-c", "echo up; sleep 600"], stdout=subprocess.PIPE)
        self.assertEqual(running.stdout.readline(), b"up\n")
        running.kill()
        running.wait()
        running.stdout.close()
        wait_until(lambda: not nested_case.processes_left(), 10, "its processes to be gone")
        for directory in nested_case.directories_left():  # nobody is left who could
            shutil.rmtree(directory)


if __name__ == "__main__":
    harness.main()
