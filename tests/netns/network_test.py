# network_test.py - a real VM with a real card: it reaches what a guest reaches, and nothing of its network stays.
import json
import os
import signal
import socket
import subprocess
import unittest

import netd
from harness import missing_for_vms, program
from netd import links, nothing_left
from patience import seconds, wait_until
from world import HOST_PUBLIC, INTERNET, LAN_ADDRESSES, NAME, NAME_ADDRESS, World

# What runs in the guest: it says what it reaches, as JSON.
LOOK = f"""
import json, socket
def reach(address, port=80):
    try:
        with socket.create_connection((address, port), 2) as peer:
            peer.sendall(b"hello")
            return peer.recv(100).decode()
    except OSError as error:
        return type(error).__name__
print(json.dumps({{
    "internet": reach("{INTERNET}"), "name": socket.gethostbyname("{NAME}"),
    "lan": reach("{LAN_ADDRESSES[0]}"), "host": reach("{HOST_PUBLIC}"), "gateway": reach("192.168.83.1"),
}}))
"""


class RealVm(unittest.TestCase):
    MACHINE = ()  # options that say who runs it
    MOUNTS = ""  # what else agentvm's own mount namespace needs, as shell commands that end in &&

    def setUp(self):
        reason = netd.obstacle() or missing_for_vms()
        if reason:
            self.skipTest(reason)
        self.world = World()
        self.addCleanup(self.world.close)
        self.host = self.world.host
        self.workspace = os.path.join(self.world.directory, "ws")
        os.mkdir(self.workspace)

    def agentvm(self, *words, **options):
        """agentvm in the host's namespace, with directories and a netd of its own."""
        directory = self.world.directory
        environment = {**os.environ, "AGENTVM_NETD_DIR": f"{directory}/run", "XDG_RUNTIME_DIR": f"{directory}/r",
                       "XDG_STATE_HOME": f"{directory}/s"}
        os.makedirs(environment["XDG_RUNTIME_DIR"], mode=0o700, exist_ok=True)
        mounts = f'{self.MOUNTS} mount --bind "{self.world.resolv}" /etc/resolv.conf'
        command = ["unshare", "-m", "sh", "-c", f'{mounts} && exec "$0" "$@"', program("agentvm"), *words]
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                env=environment, preexec_fn=self.host.enter, **options)

    def run_vm(self, *words, command):
        return self.agentvm("run", *self.MACHINE, "--name", "app", "--memory", "640MiB", *words, self.workspace,
                            "--command", "--", *command)

    def wait_for_nothing(self):
        wait_until(lambda: nothing_left(self.host), 20, "the network to go")

    def test_root_without_netd(self):
        run = self.run_vm("--egress", "nat", command=["/usr/bin/python3", "-c", LOOK])
        out, said = run.communicate(timeout=seconds(120))
        self.assertEqual(run.returncode, 0, said)
        seen = json.loads(out)
        self.assertEqual((seen["internet"], seen["name"]), (f"{HOST_PUBLIC} hello", NAME_ADDRESS))
        for place in ("lan", "host", "gateway"):
            self.assertEqual(seen[place], "TimeoutError", place)
        self.wait_for_nothing()
        self.assertEqual(self.host.setting("ipv4/ip_forward"), "0")

    def test_a_published_port(self):
        """Over the control link: the guest needs no network card for it."""
        serve = ("import socket; server = socket.create_server(('127.0.0.1', 8000)); print('here', flush=True)\n"
                 "while True:\n  peer, _ = server.accept(); data = peer.makefile('rb').read(); "
                 "peer.sendall(data.upper()); peer.close()")
        run = self.run_vm("--egress", "none", "--publish", "127.0.0.1:18080:8000", command=["/usr/bin/python3", "-c", serve])
        self.addCleanup(run.communicate)
        self.addCleanup(run.terminate)
        self.assertEqual(run.stdout.readline(), "here\n")
        for data in (b"hello", b"x" * 300000):
            with self.host.entered():
                peer = socket.create_connection(("127.0.0.1", 18080), seconds(10))
            with peer:
                peer.sendall(data)
                peer.shutdown(socket.SHUT_WR)
                self.assertEqual(peer.makefile("rb").read(), data.upper())
        self.assertTrue(nothing_left(self.host))

    def test_kill_9_of_the_supervisor(self):
        self.world.start_netd()
        run = self.run_vm(command=["sh", "-c", "echo here; sleep 1000"])  # auto, and netd runs
        self.addCleanup(run.communicate)
        self.addCleanup(run.kill)
        self.assertEqual(run.stdout.readline(), "here\n")
        shown, _ = self.agentvm("net", "show", "--json").communicate(timeout=seconds(20))
        holder = json.loads(shown)["leases"][0]
        self.assertEqual(holder["name"], "app")
        self.assertEqual(len(links(self.host)), 2)
        os.kill(holder["pid"], signal.SIGKILL)
        self.wait_for_nothing()

    def test_kill_9_of_netd_ends_the_vm(self):
        running = self.world.start_netd()
        run = self.run_vm("--egress", "nat", command=["sh", "-c", "echo here; sleep 1000"])
        self.addCleanup(run.kill)
        self.assertEqual(run.stdout.readline(), "here\n")
        running.kill()
        _, said = run.communicate(timeout=seconds(60))
        self.assertEqual(run.returncode, 125, said)
        self.assertIn("agentvm-netd ended, and the VM's network with it", said)
        self.wait_for_nothing()


if __name__ == "__main__":
    unittest.main(verbosity=2)
