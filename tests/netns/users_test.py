# users_test.py - who may take leases, how many, whose the taps are, and what becomes of callers that misbehave.
import json
import os
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
import unittest

import netd
from netd import nothing_left
from patience import seconds, wait_until
from world import World

GROUP, MEMBER, OTHER_MEMBER, STRANGER = 64123, 45219, 45220, 45221  # nobody's on any usual machine

# What a user does: asks, says what came, opens the tap, sends a frame, waits for its stdin to end.
USER = """
import json, os, sys
sys.path.insert(0, sys.argv[1])
from netd import Lease
from guest import open_tap
try:
    lease = Lease(sys.argv[2], name=sys.argv[3])
except PermissionError as error:
    print(json.dumps({"refused": error.strerror}), flush=True)
    raise SystemExit
answer = lease.answer
tap = sys.argv[4] if len(sys.argv) > 4 else answer.get("lease", {}).get("tap")
if tap:
    try:
        answer["sent"] = os.write(open_tap(tap, os.environ["TUN"]), b"\\xff" * 60)
    except OSError as error:
        answer["tap_error"] = error.strerror
print(json.dumps(answer), flush=True)
sys.stdin.read()
"""


class Users(unittest.TestCase):
    def setUp(self):
        self.world = World()
        self.addCleanup(self.world.close)
        os.chmod(self.world.directory, 0o755)
        groups = self.groups = os.path.join(self.world.directory, "group")
        with open(groups, "w", encoding="ascii") as file:
            file.write(f"root:x:0:\nagentvm:x:{GROUP}:\n")
        self.netd = self.world.start_netd("--leases-per-user", "2", files={"/etc/group": groups})
        # As udev makes it: for everybody (the kernel asks for the tap's owner when it is opened).
        self.tun = os.path.join(self.world.directory, "tun")
        os.mknod(self.tun, stat.S_IFCHR | 0o666, os.makedev(10, 200))
        os.chmod(self.tun, 0o666)

    def user(self, uid, *arguments, groups=()):
        """A process of a user in the host's namespace; what it printed."""
        def become():
            self.world.host.enter()
            os.setgroups(groups)
            os.setgid(uid)
            os.setuid(uid)

        process = subprocess.Popen(
            ["/usr/bin/python3", "-c", USER, self.tests, self.netd.directory, *arguments], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True, preexec_fn=become, env={**os.environ, "TUN": self.tun}, cwd="/")
        for end in (process.stdout.close, process.stdin.close, process.wait, process.kill):
            self.addCleanup(end)
        return process, json.loads(process.stdout.readline())

    @classmethod
    def setUpClass(cls):
        """The test's modules where every user may read them: the checkout may be private."""
        directory = cls.enterClassContext(tempfile.TemporaryDirectory(prefix="agentvm-netns-"))
        os.chmod(directory, 0o755)
        for module in (netd.__file__, sys.modules["patience"].__file__, os.path.join(os.path.dirname(netd.__file__), "guest.py")):
            with open(module, encoding="utf-8") as source:
                path = os.path.join(directory, os.path.basename(module))
                with open(path, "w", encoding="utf-8") as copy:
                    copy.write(source.read())
                os.chmod(path, 0o644)
        cls.tests = directory

    def test_a_member_gets_a_tap_that_works_and_is_its_own(self):
        process, answer = self.user(MEMBER, "app", groups=[GROUP])
        self.assertEqual(answer["sent"], 60)
        self.assertEqual(self.netd.show()["leases"][0]["uid"], MEMBER)
        second, answer = self.user(OTHER_MEMBER, "app", answer["lease"]["tap"], groups=[GROUP])
        self.assertNotIn("sent", answer)
        self.assertIn(answer["tap_error"], ("Operation not permitted", "Device or resource busy"))
        process.kill()
        process.wait()
        wait_until(lambda: len(self.netd.show()["leases"]) == 1, 10, "the killed one's lease to go")
        del second

    def test_a_free_tap_of_another_user_is_refused(self):
        lease = self.netd.lease("app")  # root's, and nobody has it open
        _, answer = self.user(MEMBER, "mine", lease["tap"], groups=[GROUP])
        self.assertEqual(answer["tap_error"], "Operation not permitted")
        lease.close()

    def test_a_stranger_is_refused(self):
        _, answer = self.user(STRANGER, "app")
        self.assertEqual(answer, {"refused": "Permission denied"})
        # A socket that lets everybody in (as a unit could be written) changes nothing: netd asks the kernel who it is.
        os.chmod(f"{self.netd.directory}/netd.sock", 0o666)
        _, answer = self.user(STRANGER, "app")
        self.assertEqual(answer["error"], f"user {STRANGER} may not use agentvm-netd")
        self.assertIn("group agentvm", answer["hint"])
        self.assertIn("--egress none", answer["hint"])
        self.assertTrue(nothing_left(self.world.host))

    def test_no_user_takes_more_than_its_share(self):
        for name in ("one", "two"):
            self.assertIn("sent", self.user(MEMBER, name, groups=[GROUP])[1])
        _, answer = self.user(MEMBER, "three", groups=[GROUP])
        self.assertEqual(answer["error"], f"user {MEMBER} holds 2 leases, and no user may hold more")
        self.assertIn("sent", self.user(OTHER_MEMBER, "three", groups=[GROUP])[1])

    def say(self, data):
        """Raw bytes to netd, and its whole answer."""
        with socket.socket(socket.AF_UNIX) as caller:
            caller.settimeout(seconds(10))
            caller.connect(f"{self.netd.directory}/netd.sock")
            caller.sendall(data)
            try:
                return caller.makefile("rb").read()
            except ConnectionResetError:
                return b""

    def test_nonsense_is_refused_and_hurts_nobody(self):
        lease = self.netd.lease("app")
        for data in (b"\n", b"{}\n", b"x" * 5000, b"\0" * 1023 + b"\n", b"[" * 1000 + b"\n", b'{"request":"show"}\n{"request":"show"}\n',
                     b'{"request":"acquire","name":"../etc","multi_queue":false}\n', b'{"request":"acquire","name":"a","multi_queue":"no"}\n'):
            answer = self.say(data)
            self.assertIn("error", json.loads(answer or b'{"error":"closed"}'), data)
        # A second word after a lease ends it.
        chatty = self.netd.lease("chatty")
        chatty.socket.sendall(b'{"request":"show"}\n')
        self.assertTrue(chatty.lost())
        chatty.close()
        self.assertEqual([one["name"] for one in self.netd.show()["leases"]], ["app"])
        lease.close()

    def test_silence_is_not_waited_for(self):
        with socket.socket(socket.AF_UNIX) as silent:
            silent.connect(f"{self.netd.directory}/netd.sock")
            silent.settimeout(seconds(10))
            silent.sendall(b'{"request":')
            self.assertEqual(silent.recv(100), b"")

    def test_without_netd_a_stranger_is_told_what_to_type(self):
        """Each command in the hint names something that is there, and the group is mentioned to who is not in it."""
        holder = shutil.copy(os.path.join(os.environ["AGENTVM_TEST_TOOLS"], "lease_holder"), self.tests)
        empty = os.path.join(self.world.directory, "nobody-listens")
        os.mkdir(empty)

        def hint_for(groups, files):
            """What lease_holder, as a user, says in a world with these files over others."""
            mounts = "".join(f'mount --bind "{source}" {target} && ' for target, source in files.items())
            become = f'exec setpriv --reuid {STRANGER} --regid {STRANGER} --groups {groups} "$0" "$@"'
            done = subprocess.run(["unshare", "-m", "sh", "-c", mounts + become, holder, empty, netd.PROGRAM, "app"],
                                  capture_output=True, text=True, check=False, timeout=seconds(20), cwd="/")
            answer = json.loads(done.stdout)
            self.assertIn("agentvm-netd is not running", answer["error"])
            return answer["hint"]

        for groups, member in ((GROUP, True), (STRANGER, False)):
            hint = hint_for(groups, {"/etc/group": self.groups})
            self.assertEqual("sudo usermod -aG agentvm $USER" in hint, not member, hint)
            self.assertNotIn("groupadd", hint)
            if "systemctl" not in hint:  # no unit is installed on this machine
                self.assertIn(f"sudo {netd.PROGRAM}.", hint)
        without = os.path.join(self.world.directory, "no-group")
        with open(without, "w", encoding="ascii") as file:
            file.write("root:x:0:\n")
        hint = hint_for(STRANGER, {"/etc/group": without})
        self.assertIn("sudo groupadd --system agentvm; sudo usermod -aG agentvm $USER", hint)


if __name__ == "__main__":
    if netd.obstacle():
        print(f"skipped: {netd.obstacle()}")
        raise SystemExit(netd.SKIPPED)
    unittest.main(verbosity=2)
