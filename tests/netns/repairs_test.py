# repairs_test.py - uplinks that carry less than they say, and a host whose other programs undo the guests' network.
import socket
import struct
import time
import unittest

import netd
from guest import Guest
from namespace import Namespace
from netd import links, nothing_left
from patience import seconds, wait_until
from world import HOST_PUBLIC, INTERNET, Ear, Server, World

LARGE = 200_000


def segment_sizes(heard, flags):
    """The MSS option (RFC 9293, 3.2) of every TCP segment with exactly these of SYN (2) and ACK (16)."""
    found = []
    for frame in list(heard):
        if frame[12:14] != b"\x08\x00" or frame[23] != socket.IPPROTO_TCP:
            continue
        tcp = frame[14 + (frame[14] & 15) * 4:]
        options = tcp[20:(tcp[12] >> 4) * 4]
        if tcp[13] & 18 == flags and options[:2] == b"\2\4":
            found.append(struct.unpack("!H", options[2:4])[0])
    return found


class OneGuest(unittest.TestCase):
    def setUp(self):
        self.world = World()
        self.addCleanup(self.world.close)
        self.host = self.world.host

    def start(self):
        self.netd = self.world.start_netd()
        self.lease = self.world.own(self.netd.lease("app"))
        self.guest = self.world.own(Guest(self.host, self.world.own(Namespace()), self.lease))

    def reaches_the_internet(self):
        with self.guest.inside.entered(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            out.settimeout(0.3)
            out.sendto(b"echo", (INTERNET, 7))
            try:
                return out.recv(100) == b"echo"
            except OSError:
                return False


class SmallUplinks(OneGuest):
    def test_downloads_over_an_uplink_that_drops_icmp(self):
        """The internet sends full segments, the uplink carries 1280 bytes, and nobody says that they are too long."""
        self.world.own(Server(self.world.internet, socket.SOCK_STREAM, (INTERNET, 81), lambda _data, _peer: b"x" * LARGE))
        self.world.internet.ip("link set eth0 gso_max_segs 1")  # segments as on a real cable
        self.start()
        self.host.ip("link set eth0 mtu 1280")
        ear = self.world.own(Ear(self.world.internet, "eth0"))
        received = 0
        with self.guest.inside.entered(), socket.create_connection((INTERNET, 81), seconds(5)) as download:
            download.settimeout(seconds(5))
            download.sendall(b"all of it")
            while received < LARGE:
                received += len(download.recv(65536)) or LARGE * 2
        self.assertEqual(received, LARGE)
        ear.has_heard(b"")
        self.assertEqual(set(segment_sizes(ear.frames, 2)), {1240}, "what the guest says it takes")
        self.assertEqual(set(segment_sizes(self.guest.heard, 18)), {1240}, "what the guest is told it may send")

    def test_a_usual_uplink_is_left_alone(self):
        self.start()
        ear = self.world.own(Ear(self.world.internet, "eth0"))
        with self.guest.inside.entered(), socket.create_connection((INTERNET, 80), seconds(5)) as peer:
            peer.sendall(b"hello")
            self.assertIn(HOST_PUBLIC.encode(), peer.recv(100))
        ear.has_heard(b"")
        self.assertEqual(set(segment_sizes(ear.frames, 2)), {1460})


class Repairs(OneGuest):
    def undo(self, *commands):
        """Takes the guest off line, and shows that it is; then lets netd see it and waits for the guest to be back."""
        self.netd.pause()
        for command in commands:
            self.host.run(*command.split())
        self.assertFalse(self.reaches_the_internet(), commands)
        self.netd.pause(False)
        wait_until(self.reaches_the_internet, 10, f"the guest to be back after {commands}")

    def is_told(self, words, before):
        """netd says so when it has repaired something, so the guest may be back a moment earlier."""
        wait_until(lambda: words in self.netd.text()[before:], 5, f"netd to say: {words}")

    def test_what_others_undo_is_made_again(self):
        self.start()
        self.assertTrue(self.reaches_the_internet())
        tap, mac, address = self.lease["tap"], self.lease["mac"], self.lease["address"]
        for commands, told in (
            (["sysctl -qw net.ipv4.ip_forward=0"], "IPv4 forwarding is off"),
            (["ip addr flush dev microbr"], "has lost its address 192.168.83.1/24"),
            (["ip link set microbr down"], "the bridge microbr is down"),
            (["ip link set microbr down", "ip link set microbr up"], "neighbour entries of app are gone"),
            ([f"ip neigh del {address} dev microbr", f"bridge fdb del {mac} dev {tap} master"], "neighbour entries of app are gone"),
            ([f"bridge fdb del {mac} dev {tap} master"], "neighbour entries of app are gone"),
            ([f"ip link set {tap} down"], f"{tap}, the tap of app, is down"),
            ([f"ip link set {tap} nomaster"], f"{tap}, the tap of app, was taken off the bridge"),
            (["sysctl -qw net.ipv4.ip_forward=0", "ip addr flush dev microbr", "ip link set microbr down"], "is down"),
        ):
            before = len(self.netd.text())
            with self.subTest(commands):
                self.undo(*commands)
                self.is_told(told, before)
                self.assertEqual(self.netd.show()["notes"], [])
        # What was made again is as isolated as before, and goes with the lease.
        details = self.host.run("ip", "-d", "link", "show", tap)
        for flag in ("isolated on", "learning off", "flood off", "mcast_flood off", "bcast_flood off"):
            self.assertIn(flag, details)
        self.lease.close()
        wait_until(lambda: nothing_left(self.host), 10, "the network to go")
        self.assertEqual(self.host.setting("ipv4/ip_forward"), "0")

    def test_forwarding_that_was_anothers(self):
        """On before the first lease, off during it: on again for guests alone, and off after the last."""
        self.host.setting("ipv4/ip_forward", "1")
        self.start()
        self.assertTrue(self.forwarded())
        self.undo("sysctl -qw net.ipv4.ip_forward=0")
        self.assertFalse(self.forwarded())
        self.lease.close()
        wait_until(lambda: nothing_left(self.host), 10, "the network to go")
        self.assertEqual(self.host.setting("ipv4/ip_forward"), "0")

    def forwarded(self):
        """Whether the host routes from the lan to the internet."""
        ear = Ear(self.world.internet, "eth0")
        with self.world.lan.entered(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            for _ in range(6):
                out.sendto(b"<lan to internet>", (INTERNET, 9))  # where nobody has to find the way back
                time.sleep(0.05)
        heard = ear.has_heard(b"<lan to internet>")
        ear.close()
        return heard

    def test_what_cannot_be_made_again_is_named(self):
        self.start()
        self.host.ip("link del microbr")
        wait_until(lambda: any("the bridge microbr was deleted" in note for note in self.netd.show()["notes"]), 10,
                   "the deleted bridge to be named")
        self.lease.close()
        wait_until(lambda: self.lease["tap"] not in links(self.host), 10, "the tap to go")
        again = self.netd.lease("app")  # and the next one begins anew
        self.assertIn("microbr", links(self.host))
        again.close()

    def test_somebody_who_undoes_it_for_ever_costs_a_repair_a_second(self):
        self.start()
        for _ in range(60):
            self.host.setting("ipv4/ip_forward", "0")
            time.sleep(0.05)
        self.assertLess(self.netd.text().count("IPv4 forwarding is off"), 8)
        wait_until(self.reaches_the_internet, 10, "the guest to be back")


if __name__ == "__main__":
    if netd.obstacle():
        print(f"skipped: {netd.obstacle()}")
        raise SystemExit(netd.SKIPPED)
    unittest.main(verbosity=2)
