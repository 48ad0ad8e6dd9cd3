# with_devshell.py - a guest that works in its workspace's devShell, which lies in the store that it shares.
import unittest

import own_nix
from checks import Checks
from in_qemu import SUPERVISOR, InQemu
from nix_daemon import NixDaemon

# nixpkgs is not at hand: of this host's bash alone.
FLAKE = """{
  outputs = { self }: {
    devShells.x86_64-linux.default = derivation {
      name = "shell"; system = "x86_64-linux"; builder = "/bin/bash"; outputs = [ "out" ]; args = [ "-c" "true" ];
      PATH = "${./tools}/bin"; GREETING = "it's a $devShell";
    };
  };
}
"""


class WithDevShell(Checks, InQemu):
    STORE, EGRESS, NAME = "host", "nat", "devshell"
    WORKSPACE = "dev shell"
    OPTIONS = ("--set", "guest.devshell=true")

    @classmethod
    def prepare(cls):
        super().prepare()
        if reason := own_nix.missing():
            raise unittest.SkipTest(reason)
        cls.sandbox.write(f"{cls.WORKSPACE}/flake.nix", FLAKE)
        cls.sandbox.write(f"{cls.WORKSPACE}/tools/bin/of-the-shell", "#!/bin/sh\necho tool of the shell\n", 0o755)
        cls.enterClassContext(NixDaemon(cls.sandbox))

    @classmethod
    def environment(cls):
        return cls.sandbox.without_stand_in

    def test_devshell(self):
        seen = self.said("bash", "-lc", "of-the-shell; echo $GREETING; command -v sudo; bash -lc of-the-shell")
        self.assertEqual(seen, "tool of the shell\nit's a $devShell\n/run/wrappers/bin/sudo\ntool of the shell\n")
        self.assertEqual(self.sandbox.run("shell", self.NAME, input=b"of-the-shell\n").stdout, "tool of the shell\n")

    def test_z_supervisor_killed(self):
        beside = self.vital_signs()
        for process in self.vm.find(SUPERVISOR):
            process.kill()
        self.assert_gone(gc=True)
        self.assertEqual(self.vital_signs(), beside)
