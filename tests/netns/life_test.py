# life_test.py - nothing of the network outlives its leases, whoever is killed, and nothing of others is touched.
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
import unittest

import frames
import netd
from guest import Guest, open_tap
from namespace import Namespace
from netd import links, nothing_left, rest_of_host, tables
from patience import seconds, wait_until
from world import HOST_PUBLIC, INTERNET, Ear, World

HOLDER = os.path.join(os.environ.get("AGENTVM_TEST_TOOLS", ""), "lease_holder")
TAKES = """
import sys
from netd import Lease
lease = Lease(sys.argv[1], name=sys.argv[2])
print(lease["tap"], flush=True)
sys.stdin.read()
"""


def dnsmasq_of(space):
    """Pids of dnsmasq in a namespace."""
    inode = os.fstat(space.fd).st_ino
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/comm", encoding="utf-8") as name:
                if name.read().strip() == "dnsmasq" and os.stat(f"/proc/{pid}/ns/net").st_ino == inode:
                    found.append(int(pid))
        except OSError:
            continue
    return found


class Life(unittest.TestCase):
    def setUp(self):
        self.world = World()
        self.addCleanup(self.world.close)
        self.host = self.world.host

    def start(self, *options):
        return self.world.start_netd(*options)

    def holder(self, name):
        """Another process with a lease; its tap."""
        process = subprocess.Popen([sys.executable, "-c", TAKES, self.world.netd.directory, name], stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, text=True, cwd=os.path.dirname(os.path.abspath(__file__)))
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.stdin.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process, process.stdout.readline().strip()

    def wait_for_nothing(self):
        wait_until(lambda: nothing_left(self.host) and not dnsmasq_of(self.host), 10, "the network to go")

    def test_the_first_makes_it_and_the_last_takes_it(self):
        running = self.start()
        self.assertTrue(nothing_left(self.host))
        one, two = running.lease("one"), running.lease("two")
        self.assertEqual(links(self.host), sorted(["microbr", one["tap"], two["tap"]]))
        self.assertEqual(tables(self.host), ["bridge", "inet", "netdev"])
        self.assertEqual(len(dnsmasq_of(self.host)), 1)
        one.close()
        wait_until(lambda: links(self.host) == sorted(["microbr", two["tap"]]), 10, "the first tap to go")
        wait_until(lambda: one["tap"] not in self.host.run("nft", "list", "ruleset"), 10, "its rules to go")
        two.close()
        self.wait_for_nothing()
        self.assertEqual(self.host.setting("ipv4/ip_forward"), "0")

    def test_kill_9_of_the_holder_while_the_vmm_has_the_tap(self):
        self.start()
        holder, tap = self.holder("app")
        with self.host.entered():
            fd = open_tap(tap)
        self.addCleanup(os.close, fd)
        holder.kill()
        self.wait_for_nothing()

    def test_socket_activation(self):
        """As systemd starts it: the socket is descriptor 3, and outlives netd."""
        directory = os.path.join(self.world.directory, "activated")
        os.mkdir(directory)
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(f"{directory}/netd.sock")
            listener.listen()
            process = subprocess.Popen(
                ["sh", "-c", 'LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" --directory "$1" 3<&0 </dev/null', netd.PROGRAM, directory],
                stdin=listener.fileno(), stderr=subprocess.DEVNULL, preexec_fn=self.host.enter)
            self.addCleanup(process.wait)
            self.addCleanup(process.kill)
            lease = netd.Lease(directory, name="app")
            self.assertIn(lease["tap"], links(self.host))
            lease.close()
            self.wait_for_nothing()
            process.terminate()
            self.assertEqual(process.wait(seconds(10)), 0)
        self.assertTrue(os.path.exists(f"{directory}/netd.sock"))

    def test_kill_9_of_netd(self):
        running = self.start()
        lease = running.lease("app")
        running.kill()
        self.assertTrue(lease.lost())
        lease.close()
        # The tap is filtered as before until somebody cleans up; the resolver is gone with its parent.
        self.assertIn(lease["tap"], links(self.host))
        self.assertEqual(tables(self.host), ["bridge", "inet", "netdev"])
        wait_until(lambda: not dnsmasq_of(self.host), 10, "dnsmasq to die")
        self.start()
        self.wait_for_nothing()
        self.assertEqual(self.host.setting("ipv4/ip_forward"), "0")

    def test_deleted_rules_come_back(self):
        running = self.start()
        lease = running.lease("app")
        self.addCleanup(lease.close)
        before = self.host.run("nft", "-s", "list", "ruleset")
        for command in ("flush ruleset", "delete table netdev agentvm"):
            self.host.run("nft", *command.split())
            wait_until(lambda: self.host.run("nft", "-s", "list", "ruleset") == before, 10, "the rules to come back")
        wait_until(lambda: f"lladdr {lease['mac']} PERMANENT" in self.host.ip(f"neigh show {lease['address']}"), 10,
                   "the guest's neighbour entry")
        self.assertIn(",UP", self.host.ip("link show microbr"))
        running.lease("two").close()

    def test_connections_of_the_last_holder_are_forgotten(self):
        running = self.start()
        other = running.lease("other")
        self.addCleanup(other.close)

        def answered(number, ask):
            """Whether a guest hears the internet's answer to port 4000, its own or its predecessor's."""
            lease = running.lease("app")
            guest = Guest(self.host, inside, lease)
            if ask:
                with inside.entered(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
                    out.settimeout(seconds(5))
                    out.bind(("0.0.0.0", 4000))
                    out.sendto(b"question", (INTERNET, 7))
                    out.recv(100)
            marker = f"<answer {number}>".encode()
            with self.world.internet.entered(), socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as out:
                out.sendto(frames.udp(INTERNET, HOST_PUBLIC, 7, 4000, marker), (HOST_PUBLIC, 0))
            with inside.entered(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as fence:
                fence.settimeout(seconds(5))
                fence.sendto(b"fence", (INTERNET, 7))
                fence.recv(100)
            heard = guest.has_heard(marker)
            guest.close()
            lease.close()
            wait_until(lambda: lease["tap"] not in links(self.host), 10, "the tap to go")
            return heard

        inside = Namespace()
        self.addCleanup(inside.close)
        self.assertTrue(answered(1, True))
        self.assertFalse(answered(2, False))

    def test_a_mark_alone_is_nobodys(self):
        self.host.ip("link set eth1 alias agentvm:foreign")
        self.host.ip("link add foreignbr type bridge")
        self.host.ip("link set foreignbr alias agentvm")
        self.host.run(netd.PROGRAM, "--directory", os.path.join(self.world.directory, "other"), "--clean")
        for link in ("eth1", "foreignbr"):
            self.assertIn(link, self.host.ip("link show"))

    def test_a_socket_of_another_stays(self):
        directory = os.path.join(self.world.directory, "taken")
        os.mkdir(directory)
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(f"{directory}/netd.sock")
            listener.listen()
            refused = subprocess.run([netd.PROGRAM, "--directory", directory], capture_output=True, text=True, check=False,
                                     timeout=seconds(20), preexec_fn=self.host.enter)
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("already listening on", refused.stderr)
        self.assertTrue(os.path.exists(f"{directory}/netd.sock"))

    def test_kill_9_of_netd_while_a_guest_asks_over_tcp(self):
        running = self.start()
        lease = running.lease("app")
        inside = Namespace()
        self.addCleanup(inside.close)
        guest = Guest(self.host, inside, lease)
        with inside.entered():
            asking = socket.create_connection((lease["gateway"], 53), seconds(5))
        self.addCleanup(asking.close)
        # dnsmasq answers each in a process of its own, which its death signal does not reach.
        wait_until(lambda: len(dnsmasq_of(self.host)) == 2, 10, "dnsmasq to take the connection")
        running.kill()
        wait_until(lambda: len(dnsmasq_of(self.host)) == 1, 10, "dnsmasq to die")
        lease.close()
        guest.close()
        self.start()
        self.wait_for_nothing()

    def test_kill_9_of_both_and_clean(self):
        running = self.start()
        holder, _ = self.holder("app")
        running.kill()
        holder.kill()
        self.host.run(netd.PROGRAM, "--directory", running.directory, "--clean")
        self.wait_for_nothing()
        self.assertEqual(self.host.setting("ipv4/ip_forward"), "0")

    def test_terminating_netd_takes_everything(self):
        running = self.start()
        lease = running.lease("app")
        running.stop()
        self.assertTrue(lease.lost())
        lease.close()
        self.assertTrue(nothing_left(self.host))
        self.assertFalse(os.path.exists(f"{running.directory}/netd.sock"))

    def test_a_bridge_that_was_never_marked(self):
        """netd can be killed between making the bridge and marking it; its MAC tells."""
        lease = self.start().lease("app")
        mac = self.world.netd.show()["bridge"]["mac"]
        lease.close()
        self.wait_for_nothing()
        self.world.netd.stop()
        self.host.ip(f"link add microbr address {mac} type bridge")
        lease = self.start().lease("app")
        self.assertEqual(lease["bridge"], "microbr")
        lease.close()

    def test_a_host_with_things_of_its_own(self):
        """A docker-like firewall, a bridge named microbr with a port, a route over our usual subnet: all stays, always."""
        self.host.nft("""
table ip filter {
  chain FORWARD { type filter hook forward priority filter; policy drop; ct state established accept; }
  chain DOCKER { tcp dport 80 accept; }
}
table inet agentvm_of_somebody { set taps { type ifname; elements = { "eth0" }; }; }
table bridge filter { chain forward { type filter hook forward priority 0; policy accept; }; }
""".replace("; }; }", "; } }").replace("; } }", ";\n}\n}").replace("; }", ";\n}"))
        self.host.ip("link add microbr type bridge")
        self.host.ip("link add port0 type veth peer name port1")
        self.host.ip("link set port0 master microbr")
        self.host.ip("link set microbr alias my-own-bridge")
        self.host.ip("link set microbr up")
        self.host.ip("addr add 172.30.0.1/24 dev microbr")
        self.host.ip("route add 192.168.83.0/25 via 10.20.0.9")
        self.host.setting("ipv4/ip_forward", "1")
        before = rest_of_host(self.host)
        self.assertGreater(len(before["links"]), 4)
        running = self.start()
        lease = running.lease("app")
        self.assertEqual((lease["bridge"], lease["gateway"]), ("microbr1", "192.168.183.1"))
        self.assertEqual(len(lease["notes"]), 2)
        self.assertEqual(rest_of_host(self.host), before)
        checked = self.host.run(netd.PROGRAM, "--directory", running.directory, "--check", check=False)
        for told in (checked, "\n".join(running.show()["notes"])):
            self.assertIn("the chain FORWARD of table ip filter drops what is forwarded", told)
        running.kill()
        lease.close()
        self.assertEqual(rest_of_host(self.host), before)
        self.start()
        self.wait_for_nothing()
        again = self.world.netd.lease("app")
        self.assertEqual(again["gateway"], "192.168.183.1")
        again.close()
        self.wait_for_nothing()
        self.assertEqual(rest_of_host(self.host), before)
        self.assertEqual(self.host.setting("ipv4/ip_forward"), "1")

    def test_forwarding_stays_on_for_who_came_since(self):
        lease = self.start().lease("app")
        self.assertEqual(self.host.setting("ipv4/ip_forward"), "1")
        self.host.ip("link add docker0 type bridge")
        lease.close()
        wait_until(lambda: tables(self.host) == ["inet"], 10, "all but one rule to go")
        self.assertEqual(self.host.setting("ipv4/ip_forward"), "1")
        # Still no router between the links there were, now and with the next lease.
        for _ in range(2):
            self.assertEqual(self.forwarded(), False)
            self.world.netd.lease("app").close()
            wait_until(lambda: tables(self.host) == ["inet"], 10, "all but one rule to go")
        wait_until(lambda: tables(self.host) == ["inet"], 10, "all rules but one to go")
        self.host.run("nft", "delete", "table", "inet", "agentvm")
        self.assertEqual(self.forwarded(), True)

    def forwarded(self):
        """Whether the host routes from the lan to the internet."""
        with self.world.lan.entered(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            ear = Ear(self.world.internet, "eth0")
            for _ in range(10):
                out.sendto(b"<lan to internet>", (INTERNET, 7))
                time.sleep(0.05)
            heard = ear.has_heard(b"<lan to internet>")
            ear.close()
        return heard

    def test_forwarding_of_links_and_redirects_come_back(self):
        kept = {"ipv4/conf/all/accept_redirects": "0", "ipv4/conf/eth1/forwarding": "1", "ipv4/conf/eth0/forwarding": "0",
                "ipv4/conf/default/forwarding": "0", "ipv4/ip_forward": "0"}
        for name in ("all/accept_redirects", "eth1/forwarding"):
            self.host.setting(f"ipv4/conf/{name}", kept[f"ipv4/conf/{name}"])
        running = self.start()
        running.lease("app").close()
        self.wait_for_nothing()
        self.assertEqual({name: self.host.setting(name) for name in kept}, kept)
        lease = running.lease("app")
        running.kill()
        lease.close()
        self.host.run(netd.PROGRAM, "--directory", running.directory, "--clean")
        self.wait_for_nothing()
        self.assertEqual({name: self.host.setting(name) for name in kept}, kept)

    def test_a_dead_resolver_comes_back(self):
        lease = self.start().lease("app")
        first = dnsmasq_of(self.host)
        os.kill(first[0], signal.SIGKILL)
        wait_until(lambda: "dnsmasq has died" in self.world.netd.text(), 10, "netd to notice")
        second = self.world.netd.lease("another")  # the next lease brings it back, however young it died
        wait_until(lambda: dnsmasq_of(self.host) not in ([], first), 10, "another dnsmasq")
        for one in (lease, second):
            one.close()
        self.wait_for_nothing()

    def test_a_failed_lease_leaves_nothing(self):
        running = self.start("--dnsmasq", "/nonexistent/dnsmasq")
        answer = netd.Lease(running.directory, name="app")
        answer.close()
        self.assertIn("is not installed", answer.answer["error"])
        self.assertTrue(nothing_left(self.host))
        self.assertEqual(self.host.setting("ipv4/ip_forward"), "0")

    def test_root_without_netd(self):
        """The first supervisor starts one that ends with the last; no supervisor's end takes another's tap."""
        directory = os.path.join(self.world.directory, "own")

        def supervisor(name):
            process = subprocess.Popen([HOLDER, directory, netd.PROGRAM, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                       text=True, preexec_fn=self.host.enter)
            for end in (process.stdin.close, process.stdout.close, process.wait, process.kill):
                self.addCleanup(end)
            self.assertTrue(select.select([process.stdout], [], [], seconds(20))[0])
            return process, json.loads(process.stdout.readline())["lease"]["tap"]

        first, first_tap = supervisor("one")
        second, second_tap = supervisor("two")
        self.assertEqual(links(self.host), sorted(["microbr", first_tap, second_tap]))
        first.kill()
        wait_until(lambda: links(self.host) == sorted(["microbr", second_tap]), 10, "the killed one's tap to go")
        second.kill()
        self.wait_for_nothing()
        wait_until(lambda: not os.path.exists(f"{directory}/netd.sock"), 10, "netd to end")
        third, _ = supervisor("three")  # and it all begins again
        third.stdin.close()
        self.wait_for_nothing()


if __name__ == "__main__":
    if netd.obstacle():
        print(f"skipped: {netd.obstacle()}")
        raise SystemExit(netd.SKIPPED)
    unittest.main(verbosity=2)
