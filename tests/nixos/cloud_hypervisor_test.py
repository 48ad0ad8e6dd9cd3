# cloud_hypervisor_test.py - real NixOS guests in cloud-hypervisor: here where KVM works, in the machine of nested.py where it
# does not.
import os
import subprocess
import sys
import unittest

import hybrid
import nested
import nested_case
from checks import Checks
from own_runner import OwnRunner

BUILD = "--build"
# Of a directory of the hybrid: what is built outside is found inside.
CACHE = "/var/cache/agentvm-nested"
SUPERVISOR = "agentvm-supervisor"
# All that NixOS asks of a kernel's configuration (nixos/modules/config/sysctl.nix): x86_64's, since Linux 4.5.
ASKED = "CONFIG_ARCH_MMAP_RND_BITS_MAX=32\nCONFIG_ARCH_MMAP_RND_COMPAT_BITS_MAX=16\n"


class InCloudHypervisor(Checks):
    HYPERVISOR = "cloud-hypervisor"
    EGRESS = "none"
    OPTIONS = ("--vcpus", "1", "--memory", "1280MiB")
    # QEMU's guests show these; a command in an emulated VM's VM takes its time.
    test_shell = test_a_given_path_holds_in_login_shells = test_store = None

    @classmethod
    def setUpClass(cls):
        cls.sandbox = cls.enterClassContext(hybrid.Hybrids(CACHE))
        super().setUpClass()

    def test_links(self):
        self.assertIn("agentvm.transport=vsock", self.said("cat", "/proc/cmdline"))


class Share(InCloudHypervisor):
    STORE, NAME = "host", "share"

    def test_z_destroyed(self):
        self.assertEqual(self.sandbox.run("destroy", self.NAME).code, 0)
        self.sandbox.assert_nothing_left(self.vm)
        self.sandbox.assert_nothing_left()


class Disk(InCloudHypervisor):
    STORE, NAME = "closure", "disk"

    def test_z_supervisor_killed(self):
        for process in self.vm.find(SUPERVISOR):
            process.kill()
        self.sandbox.assert_nothing_left(self.vm, gc=True)
        self.sandbox.assert_nothing_left()


class Alone(OwnRunner):
    """What is built outside is started inside."""

    HYPERVISOR = "cloud-hypervisor"
    VCPUS, MEMORY = 1, "1280MiB"
    RUNNER = f"{CACHE}/own-runner"

    @classmethod
    def build(cls):
        return cls.RUNNER

    @classmethod
    def setUpClass(cls):
        cls.sandbox = cls.enterClassContext(hybrid.Hybrids(CACHE))
        super().setUpClass()

    @classmethod
    def build_outside(cls, sandbox):
        cls.sandbox = sandbox
        os.symlink(os.path.realpath(OwnRunner.build.__func__(cls)), cls.RUNNER)


def load_tests(loader, _tests, _pattern):
    return unittest.TestSuite(loader.loadTestsFromTestCase(case) for case in (Disk, Share, Alone))


def kernel():
    """The kernel of the machine of nested.py, as the stand-in takes one; what is built for a later one may not run in there."""
    tree = f"{hybrid.DIRECTORY}/nested-kernel"
    os.makedirs(f"{tree}/boot", exist_ok=True)
    version = os.path.basename(nested.modules_directory())
    links = {f"{tree}/boot/vmlinuz-{version}": nested.kernel(), f"{tree}/lib": f"{nested.modules_root()}/lib"}
    for link, target in links.items():
        if not os.path.lexists(link):
            os.symlink(target, link)
    with open(f"{tree}/boot/config-{version}", "w", encoding="utf-8") as file:
        file.write(ASKED)
    return tree


def build():
    """What is booted inside, with this machine's speed."""
    hybrid.forget(CACHE)
    with hybrid.Hybrids(CACHE) as sandbox:
        for case in (Disk, Share):
            sandbox.build("boot", *case.machine())
        Alone.build_outside(sandbox)


def main():
    if os.environ.get(hybrid.WITHIN):
        if sys.argv[1:] == [BUILD]:
            build()
            return
        hybrid.main()
    within = [sys.executable, os.path.abspath(sys.argv[0]), *sys.argv[1:]]
    if os.environ.get(nested_case.INSIDE):
        hybrid.enter(*within)
    if reason := hybrid.missing() or nested_case.missing():
        hybrid.skip(reason)
    environment = {**os.environ, **hybrid.variables(), hybrid.WITHIN: "1"}
    environment.setdefault("NIXOS_BOOT_KERNEL", kernel())
    subprocess.run([hybrid.WITH, *within[:2], BUILD], env=environment, check=True)
    if nested.doctor("kvm")["good"]:
        hybrid.enter(*within)
    nested_case.main(memory_mib=6144)


if __name__ == "__main__":
    main()
