# cloud_hypervisor_user_test.py - tests/vm/user_test.py's ordinary user, with the machine in cloud-hypervisor.
import os
import stat
import unittest

import harness
import nested_case
import user_test

KVM = "/dev/kvm"


class OrdinaryUserInCloudHypervisor(user_test.OrdinaryUser):
    MACHINE = ("--hypervisor", "cloud-hypervisor")

    @classmethod
    def setUpClass(cls):
        # Where udev would have given it to the group kvm; the machine of nested.py has no udev, and is thrown away.
        if os.environ.get(nested_case.INSIDE):
            os.chmod(KVM, 0o666)
        elif not os.stat(KVM).st_mode & stat.S_IWOTH:
            raise unittest.SkipTest(f"{KVM} is not everybody's here, and the test's user is in no group")
        super().setUpClass()

    def test_run(self):
        """And that it was cloud-hypervisor, under the user's own id."""
        running = self.sandbox.start(*harness.small(*self.MACHINE, "--name", "whose", "--json"),
                                     self.sandbox.workspace, "--command", "--", "sleep", "600")
        running.wait_event("agent-started")
        vmm = self.sandbox.vm("whose").wait_known().wait_for("cloud-hypervisor")
        self.assertEqual(os.stat(f"/proc/{vmm.pid}").st_uid, user_test.UID)
        self.assertEqual(self.sandbox.run("destroy", "whose").code, 0)
        running.finish(30)
        super().test_run()


if __name__ == "__main__":
    nested_case.main()
