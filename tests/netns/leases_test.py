# leases_test.py - many leases at once and one after the other: no two alike, nothing leaks, and how fast it is.
import os
import threading
import time
import unittest

import netd
from netd import Lease, links, nothing_left
from patience import wait_until
from world import World

AT_ONCE, IN_SEQUENCE = 50, 1000


class Leases(unittest.TestCase):
    def setUp(self):
        self.world = World()
        self.addCleanup(self.world.close)
        self.host = self.world.host
        self.netd = self.world.start_netd()

    def resources(self):
        """Open descriptors and resident memory, KiB, of netd."""
        pid = self.netd.process.pid
        with open(f"/proc/{pid}/status", encoding="ascii") as status:
            memory = next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
        return len(os.listdir(f"/proc/{pid}/fd")), memory

    def settled(self):
        """When every callers' end has been seen."""
        wait_until(lambda: not self.netd.show()["leases"], 20, "the leases to be given back")
        wait_until(lambda: nothing_left(self.host), 20, "the network to go")

    def test_many_at_once(self):
        results, errors = [], []

        def take(number):
            try:
                # Half of them ask with one and the same name.
                results.append(self.netd.lease("same" if number % 2 else f"vm-{number}"))
            except (AssertionError, OSError) as error:
                errors.append(error)

        begin = time.monotonic()
        threads = [threading.Thread(target=take, args=(number,)) for number in range(AT_ONCE)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        taken = time.monotonic() - begin
        self.assertEqual(errors, [])
        for field in ("tap", "mac", "address"):
            self.assertEqual(len({lease[field] for lease in results}), AT_ONCE)
        self.assertEqual(len(links(self.host)), AT_ONCE + 1)
        self.assertEqual(len(self.netd.show()["leases"]), AT_ONCE)
        begin = time.monotonic()
        threads = [threading.Thread(target=lease.close) for lease in results]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.settled()
        print(f"{AT_ONCE} at once: {AT_ONCE / taken:.0f} leases/s, given back within {time.monotonic() - begin:.2f} s")

    def test_many_in_sequence(self):
        first = self.netd.lease("first")  # keeps the bridge up: the figure is that of a lease, not of a bridge
        for number in range(20):
            self.netd.lease(f"warm-{number}").close()
        before = self.resources()
        address = self.netd.lease("app")
        address.close()
        addresses = set()
        begin = time.monotonic()
        for number in range(IN_SEQUENCE):
            lease = self.netd.lease("app" if number % 2 else f"vm-{number % 40}")
            if number % 2:
                addresses.add(lease["address"])
            lease.close()
        taken = time.monotonic() - begin
        self.assertEqual(addresses, {address["address"]})
        wait_until(lambda: links(self.host) == sorted(["microbr", first["tap"]]), 20, "the last tap to go")
        # The tap goes before the last descriptors of its release; a leak of each lease would not go.
        wait_until(lambda: self.resources()[0] <= before[0], 20, "descriptors to be as many as before")
        after = self.resources()
        self.assertLess(after[1], before[1] + 2048)
        first.close()
        self.settled()
        print(f"{IN_SEQUENCE} in sequence: {IN_SEQUENCE / taken:.0f} leases/s, netd grew by {after[1] - before[1]} KiB")

    def test_the_whole_network_again_and_again(self):
        begin = time.monotonic()
        rounds = 20
        for _ in range(rounds):
            lease = self.netd.lease("app")
            lease.close()
            wait_until(lambda: nothing_left(self.host), 20, "the network to go")
        print(f"bridge, rules and resolver up and down: {(time.monotonic() - begin) / rounds * 1000:.0f} ms")

    def test_a_show_in_between(self):
        lease = self.netd.lease("app")
        shown = self.netd.show()
        self.assertEqual(shown["bridge"]["name"], "microbr")
        self.assertEqual(shown["leases"][0]["tap"], lease["tap"])
        self.assertEqual((shown["leases"][0]["uid"], shown["leases"][0]["pid"]), (0, os.getpid()))
        lease.close()
        self.settled()
        empty = Lease(self.netd.directory, '{"request":"show"}')
        empty.close()
        self.assertIsNone(empty.answer["network"]["bridge"])


if __name__ == "__main__":
    if netd.obstacle():
        print(f"skipped: {netd.obstacle()}")
        raise SystemExit(netd.SKIPPED)
    unittest.main(verbosity=2)
