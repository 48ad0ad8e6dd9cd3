# harness.py - a world of its own for each test: directories, environment, commands, and the proof that nothing is left.
import contextlib
import functools
import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import time
import unittest

import processes
from patience import seconds, wait_until
from running import Result, Running
from terminal import Terminal

SKIPPED = 77  # what ctest takes for "skipped" (SKIP_RETURN_CODE)
BIN = os.environ.get("AGENTVM_BIN_DIR", "")
SOURCE = os.environ.get("AGENTVM_SOURCE_DIR", os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
PROGRAMS = ("agentvm", "agentvm-supervisor", "agentvm-reaper", "agentvm-guest", "agentvm-poold", "agentvm-keeper")
SANITIZED = os.environ.get("AGENTVM_SANITIZE", "OFF") == "ON"

SMALL_PROFILE = """\
description = "what the tests boot: little memory, no servers"
extends = "default"
[machine]
vcpus = 1
memory = "640MiB"
disk = "256MiB"
[mcp.nixos]
command = []
"""


def program(name):
    # The guest's program is never instrumented, so a sanitized run borrows that of another build.
    borrowed = os.environ.get("AGENTVM_GUEST") if name == "agentvm-guest" else None
    return borrowed or os.path.join(BIN, name)


def real_cache():
    """Where `./dev setup` put the tools and the kernel; None when it has not run."""
    home = os.path.expanduser("~")
    for root in (os.environ.get("XDG_CACHE_HOME"), "/var/cache", os.path.join(home, ".cache")):
        if root and os.path.isdir(os.path.join(root, "agentvm", "tools")):
            return os.path.join(root, "agentvm")
    return None


def shared_cache():
    """$XDG_CACHE_HOME of every sandbox of one test run: tools and kernels are the real ones, images are made anew."""
    root = os.environ.get("AGENTVM_TEST_CACHE") or os.path.join(tempfile.gettempdir(), f"agentvm-test-cache-{os.getuid()}")
    cache = os.path.join(root, "agentvm")
    os.makedirs(cache, mode=0o700, exist_ok=True)
    real = real_cache()
    for name in ("tools", "kernel"):
        link = os.path.join(cache, name)
        if real and not os.path.lexists(link):
            with contextlib.suppress(FileExistsError):  # another test was faster
                os.symlink(os.path.join(real, name), link)
    return root


def forget_cache():
    """Removes what earlier test runs cached, never what the links lead to."""
    cache = os.path.join(shared_cache(), "agentvm")
    for entry in os.scandir(cache):
        if entry.is_symlink() or not entry.is_dir():
            os.unlink(entry.path)
        else:
            shutil.rmtree(entry.path)
    shared_cache()


def missing_for_vms():
    """Why no VM can be booted here; "" when one can."""
    if not BIN or not all(os.path.exists(program(name)) for name in PROGRAMS):
        return f"agentvm's programs are not all in AGENTVM_BIN_DIR ({BIN or 'not set'})"
    lacking = [item["what"] for item in doctor_items() if item["required"] and not item["good"]]
    return f"agentvm doctor misses: {', '.join(lacking)}" if lacking else ""


@functools.cache
def doctor_items():
    """What `agentvm doctor --json` says about this machine."""
    with tempfile.TemporaryDirectory(prefix="av-") as directory:
        shown = subprocess.run([program("agentvm"), "doctor", "--json"], env=base_environment(directory), check=False,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=seconds(60))
    try:
        return json.loads(shown.stdout)
    except ValueError:
        raise AssertionError(f"agentvm doctor --json: {shown}") from None


def base_environment(directory):
    """Nothing of the caller's but what names the tools to test with."""
    env = {name: value for name, value in os.environ.items()
           if name.startswith("AGENTVM_") and not name.startswith("AGENTVM_TEST_") or name.endswith("SAN_OPTIONS")}
    env.update(PATH="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", LANG="C.UTF-8", TERM="xterm-256color",
               HOME=f"{directory}/home", XDG_RUNTIME_DIR=f"{directory}/run", XDG_STATE_HOME=f"{directory}/state",
               XDG_CONFIG_HOME=f"{directory}/config", XDG_CACHE_HOME=shared_cache(),
               AGENTVM_MACHINE_CACHE="/nonexistent")  # a test with an empty cache has an empty one
    return env


class Vm:
    """A VM of a sandbox, as its directories and /proc show it."""

    def __init__(self, sandbox, name):
        self.sandbox, self.name = sandbox, name
        self.runtime_dir = f"{sandbox.directory}/run/agentvm/{name}"
        self.state_dir = f"{sandbox.directory}/state/agentvm/vms/{name}"
        self.uuid = None

    def _document(self, name):
        try:
            with open(f"{self.state_dir}/{name}", encoding="utf-8") as file:
                return json.load(file)
        except (OSError, ValueError):
            return None

    def state(self):
        return self._document("state.json")

    def wait_known(self, limit=30):
        """Until its plan is on disk; from then on its processes can be told from others'."""
        spec = wait_until(lambda: self._document("spec.json"), limit, f"the plan of {self.name}")
        self.uuid = spec["uuid"]
        return self

    def processes(self):
        """Everything alive that carries its uuid, or was started with one of its directories."""
        return processes.find(self.uuid, self.runtime_dir + "/", self.state_dir)

    def find(self, *programs):
        return [process for process in self.processes() if process.program.startswith(programs)]

    def wait_for(self, *programs, limit=60):
        """The first process of that program, as soon as it is there."""
        return wait_until(lambda: self.find(*programs), limit, f"{programs[0]} of {self.name}")[0]


class Sandbox:
    """Directories below a short path (unix sockets), removed at the end with everything that still runs in them."""

    def __init__(self, owner=None, profile=SMALL_PROFILE):
        self.directory = tempfile.mkdtemp(prefix="av-", dir="/tmp")
        self.owner = owner
        self.env = base_environment(self.directory)
        for name in ("home", "run", "state", "config", "ws"):
            os.mkdir(f"{self.directory}/{name}", 0o700)
        self.workspace = f"{self.directory}/ws"
        os.chmod(self.workspace, 0o755)
        self.write_profile("small", profile)
        if owner is not None:
            for root, directories, files in os.walk(self.directory):
                for entry in [root, *(os.path.join(root, name) for name in directories + files)]:
                    os.lchown(entry, owner, owner)
        self.groups = ()  # supplementary ones of the owner
        self.programs = BIN
        self.before = ()  # a program that starts agentvm
        self._vms = {}
        self._background = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in processes.find(self.directory):
            process.kill()
        for running in self._background:
            running.process.kill()
            running.process.wait()
        processes.wait_gone(lambda: processes.find(self.directory), seconds(10))
        for point in sorted(processes.mounts_below(self.directory), key=len, reverse=True):
            subprocess.run(["umount", "-l", point], check=False)
        shutil.rmtree(self.directory, ignore_errors=True)

    def path(self, *parts):
        return os.path.join(self.directory, *parts)

    def write(self, relative, text="", mode=0o644):
        """A file below the sandbox, its directories made."""
        path = self.path(relative)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, mode)
        if self.owner is not None:
            os.chown(path, self.owner, self.owner)
        return path

    def write_profile(self, name, text):
        return self.write(f"config/agentvm/profiles/{name}.toml", text)

    def vm(self, name):
        return self._vms.setdefault(name, Vm(self, name))

    def _argv(self, words):
        command = [*self.before, os.path.join(self.programs, "agentvm"), *words]
        if self.owner is None:
            return command
        return ["setpriv", f"--reuid={self.owner}", f"--regid={self.owner}",
                f"--groups={','.join(map(str, self.groups))}" if self.groups else "--clear-groups", "--no-new-privs", *command]

    def run(self, *words, input=None, limit=120, env=None, cwd=None):
        """Runs agentvm to its end; stdin is /dev/null, or a pipe with `input` in it."""
        argv = self._argv(words)
        started = time.monotonic()
        stdin = {"input": input} if input is not None else {"stdin": subprocess.DEVNULL}
        try:
            done = subprocess.run(argv, env={**self.env, **(env or {})}, cwd=cwd or self.directory, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, timeout=seconds(limit), check=False, **stdin)
        except subprocess.TimeoutExpired as error:
            raise AssertionError(f"{' '.join(argv)} did not end within {seconds(limit):.0f} s:\n"
                                 f"{error.stdout}\n{error.stderr}") from None
        return Result(argv, done.returncode, done.stdout, done.stderr, time.monotonic() - started)

    def start(self, *words, env=None, cwd=None, stdin=subprocess.DEVNULL):
        """Starts agentvm and returns at once."""
        running = Running(self._argv(words), {**self.env, **(env or {})}, cwd or self.directory, stdin)
        self._background.append(running)
        return running

    def terminal(self, *words, env=None, cwd=None, rows=24, columns=80):
        return Terminal(self._argv(words), {**self.env, **(env or {})}, cwd or self.directory, rows, columns)

    def left(self, vm=None):
        """What a VM (or every VM of the sandbox) has left on this machine, in words."""
        found = [f"process {process}" for process in (vm.processes() if vm else processes.find(self.directory))
                 if process.pid not in {running.pid for running in self._background}]
        roots = [vm.runtime_dir, vm.state_dir] if vm else [self.path("run"), self.path("state")]
        for root in roots:
            found += [f"mount {point}" for point in processes.mounts_below(root)]
            found += [f"socket {path}" for path in processes.listening_below(root)]
            if vm and os.path.lexists(root):
                found.append(f"directory {root}: {sorted(os.listdir(root))}")
        if not vm:
            for parent in ("run/agentvm", "state/agentvm/vms"):
                if os.path.isdir(self.path(parent)):
                    found += [f"directory {self.path(parent, name)}" for name in os.listdir(self.path(parent))]
        return found

    def assert_nothing_left(self, vm=None, gc=False, limit=10):
        """Nothing of the VM is left: at once, or with `gc` after `agentvm gc` at the latest. Returns gc's result."""
        deadline = time.monotonic() + seconds(limit)
        while self.left(vm) and time.monotonic() < deadline:
            time.sleep(0.02)  # the last threads of a process close its sockets after its end is known
        swept = None
        if gc:
            swept = self.run("gc")
            if swept.code != 0:
                raise AssertionError(f"gc failed: {swept}")
        left = self.left(vm)
        if left:
            raise AssertionError("left behind:\n  " + "\n  ".join(left) + (f"\n{swept}" if swept else ""))
        return swept


def small(*words):
    """Arguments of `agentvm run` with the tests' small machine."""
    return ("run", "--profile", "small", *words)


def sentences(result):
    """The lines of stderr that say something."""
    return [line for line in result.stderr.splitlines() if line.strip()]


def mode_of(path):
    return stat.S_IMODE(os.lstat(path).st_mode)


class VmTestCase(unittest.TestCase):
    """A class of tests in one sandbox; skipped with the reason where no VM can be booted."""

    maxDiff = None

    @classmethod
    def setUpClass(cls):
        reason = missing_for_vms()
        if reason:
            raise unittest.SkipTest(reason)
        cls.sandbox = cls.enterClassContext(Sandbox())

    def assert_code(self, result, code):
        self.assertEqual(result.code, code, result)


def main():
    """Runs the calling file's tests; exit code 77 when every one of them was skipped, so that it never counts as passed."""
    outcome = unittest.main(exit=False, verbosity=2, argv=[sys.argv[0], *sys.argv[1:]]).result
    for test, reason in outcome.skipped:
        print(f"skipped: {test}: {reason}", file=sys.stderr)
    if not outcome.wasSuccessful():
        sys.exit(1)
    # A skipped class is listed too, but was never counted as a test that ran.
    ran = outcome.testsRun - sum(isinstance(test, unittest.TestCase) for test, _ in outcome.skipped)
    sys.exit(SKIPPED if outcome.skipped and ran == 0 else 0)


if __name__ == "__main__":
    forget_cache()
