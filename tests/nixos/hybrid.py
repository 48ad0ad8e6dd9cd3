# hybrid.py - a prepared directory that boots real NixOS without a binary cache, and tests that run in its view of this machine.
"""AGENTVM_NIXOS_BOOT names the directory. In it are, made by whoever prepared it:

    bin/nix     a link to a stand-in for Nix, which builds the definitions that agentvm hands it: the real modules of NixOS and
                microvm.nix, with compiled programs taken from elsewhere. It locks nothing, and knows `flake` and `build` alone.
    run, var    what /run and /var are to be

Beside what bin/nix leads to lies `with` (AGENTVM_NIXOS_BOOT_WITH names it where it does not): `with COMMAND...` runs a command
with the directory's store as /nix, its run and var as /run and /var, and its bin first on PATH. Both find things by variables:
NIXOS_BOOT (the directory), PROJECT (the checkout), AGENTVM_BIN (agentvm's programs), AGENTVM_GUEST (agentvm-guest), and
NIXOS_BOOT_KERNEL (another kernel: a directory with boot/vmlinuz-VERSION, boot/config-VERSION and lib/modules/VERSION).
"""
import ctypes
import os
import shutil
import signal
import subprocess
import sys

import harness

DIRECTORY = os.path.abspath(os.environ.get("AGENTVM_NIXOS_BOOT") or ".")
STAND_IN = f"{DIRECTORY}/bin/nix"
WITH = os.environ.get("AGENTVM_NIXOS_BOOT_WITH") or os.path.join(os.path.dirname(os.path.realpath(STAND_IN)), "with")
WITHIN = "AGENTVM_TEST_WITHIN_NIXOS_BOOT"
PR_SET_PDEATHSIG = 1

PROFILE = """\
description = "what the tests boot"
extends = "default"
[machine]
vcpus = 2
memory = "2GiB"
disk = "2GiB"
[guest]
source = "nix"
modules = ["./groups.nix"]
"""
# What a module gives the agent holds in its processes.
GROUPS = """\
{ users.groups.of-the-module = { }; users.users.agent.extraGroups = [ "of-the-module" ]; }
"""


def missing():
    """Why nothing of this can run here; "" when it can."""
    if not os.environ.get("AGENTVM_NIXOS_BOOT"):
        return "AGENTVM_NIXOS_BOOT names no directory that boots NixOS (tests/nixos/hybrid.py says what that is)"
    if not os.access(STAND_IN, os.X_OK):
        return f"AGENTVM_NIXOS_BOOT is {DIRECTORY}, which has no bin/nix"
    if not os.access(WITH, os.X_OK):
        return f"there is no {WITH}, and AGENTVM_NIXOS_BOOT_WITH names no other"
    return "" if os.getuid() == 0 else "another /nix, /run and /var in this machine's places takes root"


def variables():
    """What `with` and the stand-in read."""
    return {"NIXOS_BOOT": DIRECTORY, "PROJECT": harness.SOURCE, "AGENTVM_BIN": harness.BIN,
            "AGENTVM_GUEST": harness.program("agentvm-guest"),
            **{name: value for name, value in os.environ.items() if name == "NIXOS_BOOT_KERNEL"}}


def skip(reason):
    print(f"skipped: {sys.argv[0]}: {reason}", file=sys.stderr)
    sys.exit(harness.SKIPPED)


def enter(*words):
    """Starts these words with the directory's /nix; never returns."""
    sys.stdout.flush()
    os.execvpe(WITH, [WITH, *words], {**os.environ, **variables(), WITHIN: "1"})


def main():
    """Runs the calling file's tests with the directory's /nix; exit code 77 with the reason where that cannot be."""
    if os.environ.get(WITHIN):
        # Nothing between here and who waits for us hands a signal down.
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        harness.main()
    if reason := missing():
        skip(reason)
    enter(sys.executable, os.path.abspath(sys.argv[0]), *sys.argv[1:])


class Hybrids(harness.Sandbox):
    """A sandbox whose agentvm builds hybrids. What was built is found by this sandbox alone unless it is given a cache: the
    stand-in locks nothing, so another one would take what an earlier module of the guest made."""

    def __init__(self, cache=None):
        super().__init__()
        self.write_profile("boot", PROFILE)
        self.write("config/agentvm/profiles/groups.nix", GROUPS)
        self.env["XDG_CACHE_HOME"] = cache or self.path("cache")
        own = os.path.join(self.env["XDG_CACHE_HOME"], "agentvm")
        os.makedirs(own, mode=0o700, exist_ok=True)
        for name in ("tools", "kernel"):
            if not os.path.lexists(f"{own}/{name}"):
                os.symlink(os.path.join(harness.real_cache(), name), f"{own}/{name}")
        # Without it there is this machine's own Nix, and what is built already.
        self.without_stand_in = {"PATH": self.env["PATH"]}
        self.env.update(variables(), PATH=f"{os.path.dirname(STAND_IN)}:{self.env['PATH']}")

    def build(self, profile, *options, limit=900):
        """Has it built; the link to what agentvm boots."""
        built = self.run("build", "--profile", profile, "--quiet", *options, limit=limit)
        if built.code != 0:
            raise AssertionError(f"not built: {built}")
        print(f"built {profile} {' '.join(options)} in {built.took:.0f} s")
        return built.stdout.strip()

    def build_definition(self, profile, limit=900):
        """As without agentvm: `agentvm definition`, and what Nix makes of it."""
        directory, link = self.path("definition"), self.path("result")
        written = self.run("definition", "--profile", profile, "-o", directory)
        if written.code != 0:
            raise AssertionError(f"no definition: {written}")
        subprocess.run([STAND_IN, "build", f"path:{directory}", "--out-link", link], env=self.env, cwd=self.directory,
                       stdin=subprocess.DEVNULL, check=True, timeout=harness.seconds(limit))
        return link


def forget(cache):
    """Whatever an earlier run of the tests has built is built anew."""
    shutil.rmtree(cache, ignore_errors=True)
