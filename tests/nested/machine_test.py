# machine_test.py - nested.py itself: output, exit codes, a working KVM, and nothing of it left, not even when it is killed.
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

import harness
import nested
import processes
from patience import seconds, wait_until

PROGRAM = os.path.join(nested.HERE, "nested.py")


class Machine(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        reason = harness.missing_for_vms() or nested.missing()
        if reason:
            raise unittest.SkipTest(reason)

    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="nt-", dir="/tmp")
        self.addCleanup(shutil.rmtree, self.directory)

    def start(self, script):
        """What runs of it is known by its $TMPDIR."""
        return subprocess.Popen([sys.executable, PROGRAM, "--", "sh", "-c", script], stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, env={**os.environ, "TMPDIR": self.directory})

    def wait_gone(self):
        wait_until(lambda: not processes.find(self.directory), 10, "its processes to be gone")

    def test_output_exit_code_and_kvm(self):
        running = self.start("id -u; echo err >&2; test -c /dev/kvm && echo kvm; touch /etc/agentvm-nested; ls -d /sys/class/net/*; exit 7")
        out, err = running.communicate(timeout=seconds(120))
        self.assertEqual((running.returncode, out, err), (7, b"0\nkvm\n/sys/class/net/lo\n", b"err\n"))
        self.assertFalse(os.path.exists("/etc/agentvm-nested"), "what it writes is forgotten")
        self.wait_gone()
        self.assertEqual(os.listdir(self.directory), [])

    def test_terminated(self):
        running = self.start("echo up; sleep 600")
        self.assertEqual(running.stdout.readline(), b"up\n")
        running.terminate()
        running.communicate(timeout=seconds(20))
        self.assertEqual(running.returncode, 143)
        self.wait_gone()
        self.assertEqual(os.listdir(self.directory), [])

    def test_killed(self):
        running = self.start("echo up; sleep 600")
        self.assertEqual(running.stdout.readline(), b"up\n")
        running.kill()
        running.communicate()
        self.wait_gone()


if __name__ == "__main__":
    harness.main()
