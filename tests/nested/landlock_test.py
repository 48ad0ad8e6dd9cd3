# landlock_test.py - cloud-hypervisor starts with every kind of device while Landlock confines it.
"""A kernel with Landlock's third version (Linux 6.2) is newer than that of the machine of nested.py, and for this no guest
has to run: devices are made, and files opened, before the first instruction. So it needs a /dev/kvm that opens, no more.
"""
import ctypes
import http.client
import json
import os
import socket
import subprocess
import tempfile
import unittest

import harness
import nested
import processes
from harness import small
from namespace import Namespace
from patience import seconds

START_VMM = os.environ.get("AGENTVM_TEST_START_VMM", "")
SYS_LANDLOCK_CREATE_RULESET, VERSION = 444, 1
NEEDED_ABI = 3
# Without the right to change links: who has a lease of agentvm-netd's need not have it, and owns the tap instead.
STARTING = 'mount -t sysfs sysfs /sys && exec setpriv --bounding-set=-net_admin "$0" "$@"'
TAP, MAC = "av-landlock", "02:00:00:00:00:01"


def obstacle():
    """Why Landlock cannot be tried here; "" when it can."""
    if os.geteuid() != 0:
        return "a tap takes root"
    version = ctypes.CDLL(None).syscall(SYS_LANDLOCK_CREATE_RULESET, None, 0, VERSION)
    if version < NEEDED_ABI:
        return f"this kernel's Landlock is of version {version}, not {NEEDED_ABI}"
    item = nested.doctor("cloud-hypervisor")
    if not item["good"]:
        return f"cloud-hypervisor is {item['found']}"
    try:
        os.close(os.open("/dev/kvm", os.O_RDWR))
    except OSError as error:
        return f"/dev/kvm: {error.strerror}"
    return ""


class Landlock(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        reason = harness.missing_for_vms() or obstacle()
        if reason:
            raise unittest.SkipTest(reason)
        cls.box = cls.enterClassContext(harness.Sandbox())
        plan = cls.box.run(*small("--dry-run", "--json"), cls.box.workspace, "--command", "--", "true").json()
        # Of a plan for QEMU: the same machine, with what the initramfs would be in a file that nobody reads.
        plan.update(hypervisor="cloud-hypervisor", accelerator="kvm", shares=[],
                    emulator=nested.doctor("cloud-hypervisor")["found"].split(", ")[0])
        plan["image"]["initramfs"] = cls.box.write("initramfs", "none")
        cls.plan = plan
        cls.host = Namespace()
        cls.addClassCleanup(cls.host.close)
        cls.host.ip(f"tuntap add dev {TAP} mode tap vnet_hdr user 0")
        cls.host.ip(f"link set {TAP} up")

    def start(self, *card, **image):
        """Its directory, with the VM started."""
        directory = tempfile.mkdtemp(prefix="v", dir=self.box.directory)
        spec = self.box.write("plan.json", json.dumps({**self.plan, "image": {**self.plan["image"], **image}}))
        vm = subprocess.Popen(["unshare", "-m", "sh", "-c", STARTING,
                               START_VMM, spec, directory, *card],
                              env=self.box.env, preexec_fn=self.host.enter, text=True,
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(self.end, vm, directory)
        if vm.stdout.readline() != "started\n":
            self.fail(vm.stderr.read())
        return directory

    def end(self, vm, directory):
        _, said = vm.communicate(timeout=seconds(20))
        self.assertEqual((vm.returncode, said), (0, ""))
        self.assertEqual(processes.find(directory, self.plan["uuid"]), [])

    @staticmethod
    def add_disk(directory, path):
        """The status and the words that cloud-hypervisor answers with."""
        body = json.dumps({"path": path, "readonly": True, "image_type": "Raw"})
        with socket.socket(socket.AF_UNIX) as api:
            api.settimeout(seconds(20))
            api.connect(f"{directory}/vmm.sock")
            api.sendall(f"PUT /api/v1/vm.add-disk HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                        f"Content-Length: {len(body)}\r\n\r\n{body}".encode())
            answer = http.client.HTTPResponse(api)
            answer.begin()
            return answer.status, answer.read().decode()

    def test_a_card(self):
        self.start(TAP, MAC)

    def test_a_disk(self):
        self.start(store_disk=self.box.write("disk", "\0" * 4096))

    def test_it_is_on(self):
        """What was not named when it started is not opened later."""
        directory = self.start()
        inside, outside = self.box.write(f"{os.path.basename(directory)}/disk", "\0" * 4096), self.box.write("other", "\0" * 4096)
        self.assertEqual(self.add_disk(directory, inside)[0], 200)
        status, words = self.add_disk(directory, outside)
        self.assertEqual(status, 500)
        self.assertIn("Permission denied", words)


if __name__ == "__main__":
    harness.main()
