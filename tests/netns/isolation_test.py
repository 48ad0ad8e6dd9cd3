# isolation_test.py - what a guest reaches and what it does not, each tried by packet, and each try shown to be a real one.
import json
import socket
import struct
import unittest

import frames
import netd
from guest import Guest
from namespace import Namespace
from patience import seconds, wait_until
from world import (HOST_LAN, HOST_PUBLIC, INTERNET, LAN_ADDRESSES, NAME, NAME_ADDRESS, PORT, Ear, Letterbox, World)

GATEWAY = "192.168.83.1"
FLOW_PORT = 40053


class TwoGuests(unittest.TestCase):
    """The world, netd, and two guests with whatever one of them could try."""

    @classmethod
    def setUpClass(cls):
        cls.world = World()
        cls.addClassCleanup(cls.world.close)
        netd_ = cls.world.start_netd()
        cls.leases = [cls.world.own(netd_.lease(name)) for name in ("one", "two")]
        cls.one, cls.two = (cls.world.own(Guest(cls.world.host, cls.world.own(Namespace()), lease)) for lease in cls.leases)
        cls.bridge_mac = netd_.show()["bridge"]["mac"]
        cls.internet_ear = cls.world.own(Ear(cls.world.internet, "eth0"))
        cls.lan_ear = cls.world.own(Ear(cls.world.lan, "eth0"))
        cls.letterbox = cls.world.own(Letterbox(cls.world.host))
        cls.letterbox.join(cls.world.host, "224.0.0.251", "microbr")

    def fence(self, guest=None):
        """Returns when whatever was sent before has been delivered or dropped: a tap's frames are taken in turn."""
        with (guest or self.one).inside.entered(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            out.settimeout(seconds(5))
            out.sendto(b"fence", (INTERNET, 7))
            self.assertEqual(out.recv(100), b"fence")

    def udp(self, destination, marker, source=None, source_mac=None, destination_mac=None, port=PORT, source_port=40000):
        packet = frames.udp(source or self.one.address, destination, source_port, port, marker)
        return frames.ethernet(destination_mac or self.bridge_mac, source_mac or self.one.mac, frames.ETH_IP, packet)

    def attempts(self):
        """Everything a guest could try, each with a marker of its own."""
        one, two = self.one, self.two
        everywhere = [two, self.internet_ear, self.lan_ear, self.letterbox]
        other_mac = "02:aa:aa:aa:aa:aa"
        result = []

        def add(name, make, ears=None):
            marker = f"<attempt {len(result)}>".encode()
            result.append((name, make(marker), marker, ears or everywhere))

        for address in LAN_ADDRESSES:
            add(f"the lan's {address}", lambda marker, to=address: self.udp(to, marker))
        for address in (HOST_PUBLIC, HOST_LAN, GATEWAY):
            add(f"a service on the host's {address}", lambda marker, to=address: self.udp(to, marker))
        add("the other guest, routed", lambda marker: self.udp(two.address, marker))
        add("the other guest, bridged", lambda marker: self.udp(two.address, marker, destination_mac=two.mac))
        add("the broadcast address", lambda marker: self.udp("255.255.255.255", marker, destination_mac=frames.BROADCAST))
        add("the subnet's broadcast address",
            lambda marker: self.udp("192.168.83.255", marker, destination_mac=frames.BROADCAST))
        add("multicast", lambda marker: self.udp("224.0.0.251", marker, destination_mac="01:00:5e:00:00:fb"))
        add("the internet with another's address", lambda marker: self.udp(INTERNET, marker, source=two.address))
        add("the internet with an address nobody leased", lambda marker: self.udp(INTERNET, marker, source="192.168.83.250"))
        add("the internet with a foreign address", lambda marker: self.udp(INTERNET, marker, source="203.0.113.77"))
        add("the internet with another MAC", lambda marker: self.udp(INTERNET, marker, source_mac=other_mac))
        add("an offer of DHCP",
            lambda marker: self.udp("255.255.255.255", marker, destination_mac=frames.BROADCAST, port=68, source_port=67))
        add("a VLAN tag", lambda marker: frames.ethernet(
            two.mac, one.mac, frames.ETH_VLAN,
            frames.vlan(7, frames.ETH_IP, frames.udp(one.address, two.address, 40000, PORT, marker))))
        add("IPv6 to every link-local neighbour", lambda marker: frames.ethernet(
            "33:33:00:00:00:01", one.mac, frames.ETH_IPV6, frames.icmp6("fe80::1", "ff02::1", 128, b"\0\1\0\1" + marker)))
        add("IPv6 to the other guest", lambda marker: frames.ethernet(
            two.mac, one.mac, frames.ETH_IPV6, frames.icmp6("fe80::1", "fe80::2", 128, b"\0\1\0\1" + marker)))
        add("a router advertisement", lambda marker: frames.ethernet(
            "33:33:00:00:00:01", one.mac, frames.ETH_IPV6,
            frames.icmp6("fe80::1", "ff02::1", 134, struct.pack("!BBHII", 64, 0, 1800, 0, 0) + marker)))
        add("a made-up protocol", lambda marker: frames.ethernet(frames.BROADCAST, one.mac, 0x88B5, marker))
        for address in (HOST_PUBLIC, HOST_LAN, GATEWAY):
            add(f"{address} in a link-local frame",
                lambda marker, to=address: self.udp(to, marker, destination_mac=frames.LLDP))

        def error(marker, to, quoted_to, ports):
            quoted = frames.udp(to, quoted_to, *ports, marker)
            return frames.ethernet(self.bridge_mac, one.mac, frames.ETH_IP,
                                   frames.fragmentation_needed(one.address, to, 600, quoted))

        add("an ICMP error about a flow of the lan", lambda marker: error(marker, LAN_ADDRESSES[0], HOST_LAN, (PORT, FLOW_PORT)))
        add("an ICMP error about a flow of the other guest", lambda marker: error(marker, two.address, GATEWAY, (FLOW_PORT, 53)))
        # Late, for a bridge without rules believes it and sends the other guest's frames here.
        add("the internet with the other guest's MAC", lambda marker: self.udp(INTERNET, marker, source_mac=two.mac))
        # What is known by its own bytes instead of a marker.
        for name, packet in (
                ("ARP about the other guest", frames.arp(1, one.mac, one.address, "00:00:00:00:00:00", two.address)),
                ("a gratuitous ARP for the gateway", frames.arp(2, one.mac, GATEWAY, frames.BROADCAST, GATEWAY)),
                ("ARP with another's address", frames.arp(1, one.mac, two.address, "00:00:00:00:00:00", "192.168.83.99"))):
            result.append((name, frames.ethernet(frames.BROADCAST, one.mac, frames.ETH_ARP, packet), packet, [two]))
        for address in (HOST_PUBLIC, HOST_LAN):
            packet = frames.arp(1, one.mac, one.address, "00:00:00:00:00:00", address)
            answer = frames.arp(2, self.bridge_mac, address, one.mac, one.address)
            result.append((f"ARP about the host's {address}",
                           frames.ethernet(frames.BROADCAST, one.mac, frames.ETH_ARP, packet), answer, [one]))
        return result

    def heard_attempts(self):
        """Sends everything; the names of what got through, and of what did not."""
        # Each guest says something, so that the bridge knows where it is; then everybody forgets what was heard.
        for guest in (self.two, self.one):
            self.fence(guest)
        # Flows for an ICMP error to quote.
        for space, to in ((self.world.host, (LAN_ADDRESSES[0], PORT)), (self.two.inside, (GATEWAY, 53))):
            with space.entered(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
                out.bind(("0.0.0.0", FLOW_PORT))
                out.sendto(b"a flow", to)
        self.fence(self.two)
        for ear in (self.one, self.two, self.internet_ear, self.lan_ear, self.letterbox):
            ear.forget()
        attempts = self.attempts()
        for _, frame, _, _ in attempts:
            self.one.send(frame)
        for guest in (self.one, self.two):
            self.fence(guest)
        through = {name for name, _, sign, ears in attempts if any(ear.has_heard(sign) for ear in ears)}
        return through, {name for name, _, _, _ in attempts} - through


class Isolation(TwoGuests):
    # What a guest does reach.

    def test_internet_through_nat(self):
        with self.one.inside.entered():
            connection = socket.create_connection((INTERNET, 80), seconds(5))
        with connection:
            connection.sendall(b"hello")
            self.assertEqual(connection.recv(100).decode(), f"{HOST_PUBLIC} hello")

    def test_dns_of_the_gateway(self):
        query = struct.pack("!HHHHHH", 4711, 0x0100, 1, 0, 0, 0)
        query += b"".join(bytes([len(part)]) + part.encode() for part in NAME.split(".")) + b"\0\0\1\0\1"
        with self.one.inside.entered():
            datagram = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            stream = socket.create_connection((GATEWAY, 53), seconds(5))
        with datagram, stream:
            datagram.settimeout(seconds(5))
            datagram.sendto(query, (GATEWAY, 53))
            self.assertTrue(datagram.recv(512).endswith(socket.inet_aton(NAME_ADDRESS)))
            stream.sendall(struct.pack("!H", len(query)) + query)
            with stream.makefile("rb") as answers:
                answer = answers.read(struct.unpack("!H", answers.read(2))[0])
            self.assertTrue(answer.endswith(socket.inet_aton(NAME_ADDRESS)))

    # What it does not.

    def test_nothing_else(self):
        through, _ = self.heard_attempts()
        self.assertEqual(through, set())

    def test_the_gateway_stays_who_it_is(self):
        """A forged ARP leaves the neighbours of guest and host as they were."""
        with self.two.inside.entered(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            out.sendto(b"x", (INTERNET, 7))
        wait_until(lambda: self.bridge_mac in self.two.inside.ip("neigh"), 5, "the gateway's MAC")
        self.one.send(frames.ethernet(frames.BROADCAST, self.one.mac, frames.ETH_ARP,
                                      frames.arp(2, self.one.mac, GATEWAY, frames.BROADCAST, GATEWAY)))
        self.one.send(frames.ethernet(self.bridge_mac, self.one.mac, frames.ETH_ARP,
                                      frames.arp(2, self.one.mac, self.two.address, self.bridge_mac, GATEWAY)))
        self.fence()
        self.assertIn(f"{GATEWAY} dev eth0 lladdr {self.bridge_mac}", self.two.inside.ip("neigh"))
        self.assertNotIn(f"{self.two.address} lladdr {self.one.mac}", self.world.host.ip("neigh show dev microbr"))

    def test_nobody_comes_in(self):
        """The lan has a route to the guests' network over the host, and the host forwards."""
        for address in (self.one.address, self.two.address):
            with self.world.lan.entered(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
                out.sendto(b"<from the lan>", (address, PORT))
        for guest in (self.one, self.two):
            self.fence(guest)
        self.assertFalse(self.one.has_heard(b"<from the lan>") or self.two.has_heard(b"<from the lan>"))

    def test_the_host_is_no_router(self):
        """Forwarding was off before the first lease: it is on for guests alone."""
        self.assertEqual(self.world.host.setting("ipv4/ip_forward"), "1")
        with self.world.lan.entered(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            out.sendto(b"<lan to internet>", (INTERNET, PORT))
        self.fence()
        self.assertFalse(self.internet_ear.has_heard(b"<lan to internet>"))

    def test_no_ipv6_on_the_bridge(self):
        for link in ("microbr", self.leases[0]["tap"]):
            self.assertNotIn("inet6", self.world.host.ip(f"addr show dev {link}"))


class Theft(TwoGuests):
    """One guest makes the bridge believe that another's MAC is its own."""

    def setUp(self):
        self.rules = self.world.host.run("nft", "list", "ruleset")
        self.world.netd.pause()
        self.addCleanup(self.world.netd.pause, False)
        self.tap_mac = json.loads(self.world.host.ip(f"-j link show dev {self.one.lease['tap']}"))[0]["address"]

    def tearDown(self):
        self.one.rename_tap(self.tap_mac)
        self.world.host.run("nft", "flush", "ruleset")
        self.world.host.nft(self.rules)
        trust_ports(self, False)

    def by_frame(self):
        self.one.send(frames.ethernet(frames.LLDP, self.two.mac, 0x88CC, b"\x02\x07\x04" + bytes(60)))
        self.fence()

    def by_name(self):
        self.one.rename_tap(self.two.mac)

    def by_age(self):
        self.world.host.run("bridge", "fdb", "del", self.two.mac, "dev", self.two.lease["tap"], "master")

    def stolen(self, steal):
        """Whether the first guest hears what is for the second."""
        for guest in (self.one, self.two):
            self.fence(guest)
            guest.forget()
        steal()
        with self.world.host.entered(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            out.sendto(b"<for two>", (self.two.address, PORT))
        self.fence_by_host()
        return self.one.has_heard(b"<for two>")

    def fence_by_host(self):
        """A frame that the first guest does hear: what went to its tap before has been heard too."""
        with self.world.host.entered(), socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as out:
            out.bind((self.one.lease["tap"], 0))
            out.send(frames.ethernet(self.one.mac, self.bridge_mac, 0x88B5, b"<fence>" + bytes(60)))
        wait_until(lambda: self.one.has_heard(b"<fence>"), 5, "a frame past the bridge")

    def test_by_a_link_local_frame(self):
        self.assertFalse(self.stolen(self.by_frame))
        self.assertTrue(self.two.has_heard(b"<for two>"))

    def test_by_the_name_of_the_tap(self):
        self.assertFalse(self.stolen(self.by_name))

    def test_by_the_age_of_the_entry(self):
        self.assertFalse(self.stolen(self.by_age))

    def test_they_are_real(self):
        for steal in (self.by_frame, self.by_name, self.by_age):
            with self.subTest(steal.__name__):
                self.world.host.run("nft", "flush", "ruleset")
                trust_ports(self, True)
                self.assertTrue(self.stolen(steal))
                self.tearDown()


def trust_ports(test, trusted):
    """Ports of the guests as of any bridge, or as netd makes them."""
    for lease in test.leases:
        settings = [word for flag in ("learning", "flood", "mcast_flood", "bcast_flood")
                    for word in (flag, "on" if trusted else "off")]
        test.world.host.run("ip", "link", "set", lease["tap"], "type", "bridge_slave", *settings,
                            "isolated", "off" if trusted else "on")
        test.world.host.run("bridge", "fdb", "replace", lease["mac"], "dev", lease["tap"], "master", "static")


class TheAttemptsAreReal(TwoGuests):
    """Each attempt is heard as soon as what refuses it is gone: a test that cannot fail would show nothing."""

    def setUp(self):
        self.rules = self.world.host.run("nft", "list", "ruleset")
        self.world.netd.pause()
        self.addCleanup(self.world.netd.pause, False)

    def tearDown(self):
        self.world.host.run("nft", "flush", "ruleset")
        self.world.host.nft(self.rules)
        trust_ports(self, False)

    def test_without_anything(self):
        self.world.host.run("nft", "flush", "ruleset")
        trust_ports(self, True)
        _, silent = self.heard_attempts()
        self.assertEqual(silent, set())
        for address in (self.one.address, INTERNET):
            with self.world.lan.entered(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
                out.sendto(b"<from the lan>", (address, PORT))
        wait_until(lambda: self.one.has_heard(b"<from the lan>"), 5, "the lan's packet at the guest")
        wait_until(lambda: self.internet_ear.has_heard(b"<from the lan>"), 5, "the lan's packet outside")

    def test_without_the_inet_table(self):
        self.world.host.run("nft", "delete", "table", "inet", "agentvm")
        through, _ = self.heard_attempts()
        self.assertEqual(through, {*(f"the lan's {address}" for address in LAN_ADDRESSES),
                                   *(f"a service on the host's {address}" for address in (HOST_PUBLIC, HOST_LAN, GATEWAY)),
                                   "the other guest, routed", "an ICMP error about a flow of the lan",
                                   "an ICMP error about a flow of the other guest"})

    def test_without_the_bridge_table(self):
        self.world.host.run("nft", "delete", "table", "bridge", "agentvm")
        through, _ = self.heard_attempts()
        self.assertEqual(through, {"the internet with another's address", "the internet with an address nobody leased",
                                   "the internet with a foreign address", "the internet with another MAC",
                                   "the internet with the other guest's MAC",
                                   *(f"ARP about the host's {address}" for address in (HOST_PUBLIC, HOST_LAN))})


if __name__ == "__main__":
    if netd.obstacle():
        print(f"skipped: {netd.obstacle()}")
        raise SystemExit(netd.SKIPPED)
    unittest.main(verbosity=2)
