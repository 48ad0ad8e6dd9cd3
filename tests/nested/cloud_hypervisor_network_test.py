# cloud_hypervisor_network_test.py - tests/netns/network_test.py's real VM, with the machine in cloud-hypervisor.
import contextlib
import json
import os
import signal

import nested_case
import network_test
import processes
from netd import links
from patience import seconds, wait_until
from world import HOST_PUBLIC, INTERNET

VMM = "cloud-hypervisor"
# The guest's card as its kernel tells, and where its packets come out.
LOOK = f"""
import json, socket
with socket.create_connection(("{INTERNET}", 80), 10) as peer:
    peer.sendall(b"hello")
    print(json.dumps({{"own": peer.getsockname()[0], "answer": peer.recv(100).decode(),
                      "mac": open("/sys/class/net/eth0/address").read().strip()}}), flush=True)
"""


class CardInCloudHypervisor(network_test.RealVm):
    MACHINE = ("--hypervisor", VMM)
    # sysfs shows the links of the network namespace it was mounted from; cloud-hypervisor looks there for its tap.
    MOUNTS = "mount -t sysfs sysfs /sys &&"

    def setUp(self):
        super().setUp()
        self.addCleanup(self.wait_for_no_vm)

    def wait_for_no_vm(self):
        """Whatever was killed, nothing is left of the VM either: `agentvm gc`, which the reaper starts, is done soon."""
        try:
            wait_until(lambda: not self.left(), 20, "the VM to go")
        except AssertionError as error:
            raise AssertionError(f"{error}; there is {self.left()}") from None

    def left(self):
        directory = self.world.directory
        ours = {self.world.netd.process.pid} if self.world.netd else set()
        found = processes.find(f"{directory}/r/agentvm", f"{directory}/s/agentvm")
        found += [process for process in self.on_the_host() if process.pid not in ours]
        for parent in (f"{directory}/r/agentvm", f"{directory}/s/agentvm/vms"):
            found += os.listdir(parent) if os.path.isdir(parent) else []
        return found

    def on_the_host(self):
        """What runs in the network namespace that the test made for a host."""
        inode, found = os.fstat(self.host.fd).st_ino, []
        for process in processes.find("agentvm", "AGENTVM_INSTANCE=", "dnsmasq"):
            with contextlib.suppress(OSError):  # it has ended meanwhile
                found += [process] if os.stat(f"/proc/{process.pid}/ns/net").st_ino == inode else []
        return found

    def vmm(self):
        return next(process for process in self.on_the_host() if process.program == VMM)

    @staticmethod
    def taps_of(process):
        """The names of the taps that it holds (Linux's fdinfo of /dev/net/tun)."""
        names = set()
        for descriptor in os.listdir(f"/proc/{process.pid}/fdinfo"):
            with open(f"/proc/{process.pid}/fdinfo/{descriptor}", encoding="utf-8") as file:
                names |= {line.split()[1] for line in file if line.startswith("iff:")}
        return names

    def start(self, script):
        """A VM whose agent has said a line, and that line; netd runs and `auto` takes it."""
        self.world.start_netd()
        run = self.run_vm(command=["sh", "-c", script])
        self.addCleanup(run.communicate)
        self.addCleanup(run.kill)
        return run, run.stdout.readline()

    def test_card(self):
        """The lease's tap is the VMM's, by its name, and its address and MAC are the guest's."""
        run, line = self.start(f"/usr/bin/python3 -c '{LOOK}'; sleep 1000")
        seen = json.loads(line)
        lease = self.world.netd.show()["leases"][0]
        self.assertEqual(self.taps_of(self.vmm()), {lease["tap"]})
        self.assertIn(lease["tap"], links(self.host))
        self.assertEqual((seen["own"], seen["mac"]), (lease["address"], lease["mac"]))
        self.assertEqual(seen["answer"], f"{HOST_PUBLIC} hello", "masqueraded")
        run.terminate()
        run.communicate(timeout=seconds(60))
        self.wait_for_nothing()

    def test_kill_9_of_the_vmm(self):
        run, line = self.start("echo here; sleep 1000")
        self.assertEqual(line, "here\n")
        self.assertEqual(len(links(self.host)), 2)
        os.kill(self.vmm().pid, signal.SIGKILL)
        _, said = run.communicate(timeout=seconds(60))
        self.assertEqual(run.returncode, 125, said)
        self.wait_for_nothing()


if __name__ == "__main__":
    nested_case.main()
