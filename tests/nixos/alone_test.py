# alone_test.py - "it boots with microvm.nix alone": in QEMU, the store as a disk and as a share; cloud_hypervisor_test.py has the other.
import unittest

import harness
import hybrid
from own_runner import OwnRunner


class InQemu(OwnRunner):
    @classmethod
    def setUpClass(cls):
        if reason := harness.missing_for_vms():
            raise unittest.SkipTest(reason)
        cls.sandbox = cls.enterClassContext(hybrid.Hybrids())
        super().setUpClass()


class WithDisk(InQemu):
    STORE = "closure"


class WithShare(InQemu):
    STORE = "host"


def load_tests(loader, _tests, _pattern):
    return unittest.TestSuite(loader.loadTestsFromTestCase(case) for case in (WithDisk, WithShare))


if __name__ == "__main__":
    hybrid.main()
