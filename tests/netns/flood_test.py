# flood_test.py - a guest that opens flow after flow fills its own share of the host's table of connections, nobody else's.
import unittest

import frames
import netd
from guest import Guest
from isolation_test import TwoGuests
from namespace import Namespace
from patience import wait_until
from world import INTERNET, PORT, Ear, World

ECHO = 7
MOST_FLOWS = 4096  # network/plan/ruleset.hpp


class Flood(unittest.TestCase):
    def setUp(self):
        self.world = World()
        self.addCleanup(self.world.close)
        netd_ = self.world.start_netd()
        self.one, self.two = (self.world.own(Guest(self.world.host, self.world.own(Namespace()),
                                                   self.world.own(netd_.lease(name)))) for name in ("one", "two"))
        self.bridge_mac = netd_.show()["bridge"]["mac"]
        self.ear = self.world.own(Ear(self.world.internet, "eth0"))

    fence = TwoGuests.fence

    def flow(self, guest, number, marker, to=INTERNET, port=PORT):
        """One datagram of the guest's from a port of its own."""
        packet = frames.udp(guest.address, to, 10000 + number, port, marker)
        guest.send(frames.ethernet(self.bridge_mac, guest.mac, frames.ETH_IP, packet))

    def test_flood(self):
        self.fence(self.two)
        # Answered: until then a flow is new.
        self.flow(self.one, 0, b"<the first>", port=ECHO)
        wait_until(lambda: self.one.has_heard(b"<the first>"), 10, "the answer to a flow of an idle guest")
        for number in range(1, MOST_FLOWS):
            self.flow(self.one, number, b"<flood>")
        for number in range(MOST_FLOWS, MOST_FLOWS + 40):
            self.flow(self.one, number, b"<too many>")
        self.flow(self.one, 0, b"<an old one goes on>", port=ECHO)
        wait_until(lambda: self.ear.has_heard(b"<an old one goes on>"), 10, "a packet of a flow that was there")
        self.assertFalse(self.ear.has_heard(b"<too many>"))
        self.assertGreater(sum(b"<flood>" in frame for frame in self.ear.frames), MOST_FLOWS - 100, "the share is all its own")
        self.flow(self.two, 0, b"<the other guest>")
        wait_until(lambda: self.ear.has_heard(b"<the other guest>"), 10, "a flow of the other guest")
        self.fence(self.two)


if __name__ == "__main__":
    if netd.obstacle():
        print(f"skipped: {netd.obstacle()}")
        raise SystemExit(netd.SKIPPED)
    unittest.main(verbosity=2)
