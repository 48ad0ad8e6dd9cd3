# build_test.py - agentvm build with a fake `nix` on PATH: what is built, what is found again, how failures are told.
import os
import signal
import subprocess
import unittest

import harness
from harness import Sandbox, sentences
from patience import seconds, wait_until

FAKE = """\
#!/bin/sh
shift 2
echo "$*" >>{calls}
{behaviour}
case "$1" in
  flake) echo "lock" >"${{3#path:}}/flake.lock" ;;
  build)
    while [ "$1" != --out-link ]; do shift; done
    mkdir -p {store} && cp {manifest} {store}/manifest.json && ln -sfn {store} "$2"
    ;;
esac
"""

MANIFEST = """{"version":1,"name":"rust","system":"x86_64-linux",
 "kernel":{"elf":"/nix/store/k/vmlinux","image":"/nix/store/k/bzImage","version":"6.18.1"},
 "initrd":"/nix/store/i/initrd","kernel_params":["console=hvc0"],"init":"/nix/store/s/init",
 "store":{"kind":"share","disk":null,"writable":true},
 "user":{"name":"agent","uid":1000,"gid":1000,"home":"/home/agent"},"workspace":"/workspace",
 "tools":{"agent":null,"shell":"/nix/store/b/bin/bash","sudo":"/run/wrappers/bin/sudo"},"path":"/run/current-system/sw/bin"}"""


@unittest.skipUnless(harness.BIN, "AGENTVM_BIN_DIR is not set")
class Build(unittest.TestCase):
    def setUp(self):
        self.sandbox = self.enterContext(Sandbox())
        # A cache of its own: other tests share theirs.
        self.env = {"PATH": f"{self.sandbox.path('bin')}:/usr/bin:/bin", "XDG_CACHE_HOME": self.sandbox.path("cache")}
        self.sandbox.write("manifest.json", MANIFEST)
        self.behave("")

    def behave(self, behaviour):
        path = self.sandbox.path
        self.sandbox.write("bin/nix", FAKE.format(calls=path("calls"), store=path("store"), manifest=path("manifest.json"),
                                                  behaviour=behaviour), mode=0o755)

    def build(self, *words):
        return self.sandbox.run("build", *words, env=self.env)

    def calls(self):
        """The verbs Nix was called with since the last time."""
        try:
            with open(self.sandbox.path("calls"), encoding="utf-8") as file:
                return [line.split()[0] for line in file]
        except FileNotFoundError:
            return []
        finally:
            if os.path.exists(self.sandbox.path("calls")):
                os.unlink(self.sandbox.path("calls"))

    def test_built_once(self):
        built = self.build("--profile", "rust")
        self.assertEqual(built.code, 0, built)
        self.assertEqual(self.calls(), ["flake", "build"])
        root = built.stdout.strip()
        self.assertTrue(os.path.islink(root), root)
        definition = self.sandbox.path("cache", "agentvm", "nix", "rust", "definition")
        self.assertEqual(sorted(os.listdir(definition)), ["codex.toml", "flake.lock", "flake.nix", "vm.nix"])
        for words in (("--profile", "rust"), ("--profile", "rust", "--vcpus", "2", "--memory", "1GiB", "--env", "A=b")):
            again = self.build(*words)
            self.assertEqual((again.code, again.stdout, again.stderr), (0, built.stdout, ""), again)
        self.assertEqual(self.calls(), [], "nothing of that is in the closure")
        other = self.build("--profile", "rust", "--set", "guest.packages.add=hello")
        self.assertNotEqual(other.stdout, built.stdout)
        self.assertEqual(self.calls(), ["flake", "build"])
        self.assertEqual(self.build("--profile", "rust", "--update").code, 0)
        self.assertEqual(self.calls()[0], "flake")

    def test_failures_are_one_sentence_with_the_log(self):
        for behaviour, told in (("echo 'error: attribute crago missing' >&2; exit 1", "attribute crago missing"),
                                ("echo 'error: unable to download x: Could not resolve host' >&2; exit 1", "could not be fetched"),
                                ("exit 3", "code 3")):
            with self.subTest(behaviour=behaviour):
                self.behave(behaviour)
                failed = self.build("--profile", "rust", "-q")
                self.assertEqual((failed.code, failed.stdout), (125, ""), failed)
                self.assertIn("'rust'", failed.stderr)
                self.assertIn(told, failed.stderr)
                self.assertIn("/nix/rust/build.log", failed.stderr)
                self.assertEqual(len(sentences(failed)), 2, failed)

    def test_without_nix(self):
        os.unlink(self.sandbox.path("bin", "nix"))
        self.env["PATH"] = self.sandbox.path("bin")
        failed = self.build()
        self.assertEqual((failed.code, failed.stdout), (126, ""), failed)
        self.assertIn("nix", failed.stderr)

    def test_ctrl_c_ends_nix_and_what_it_started(self):
        pids, asked = self.sandbox.path("pids"), self.sandbox.path("asked")
        self.behave(f"case $1 in build) trap 'echo yes >{asked}; exit 1' TERM; sleep 1000 & echo $! $$ >{pids}; echo begun >&2; wait;; esac")
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            with self.subTest(signal=number):
                with subprocess.Popen([harness.program("agentvm"), "build", "--profile", "rust"], env={**self.sandbox.env, **self.env},
                                      stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as building:
                    self.assertTrue(any("begun" in line for line in building.stderr))
                    building.send_signal(number)
                    self.assertEqual(building.wait(timeout=seconds(30)), -number, "it dies of the signal, as a shell expects")
                with open(pids, encoding="ascii") as file:
                    started = file.read().split()
                os.unlink(asked)  # nix was asked to end, for it to end its builders
                wait_until(lambda: not any(os.path.exists(f"/proc/{pid}/exe") for pid in started), 10, f"the end of {started}")
        self.behave("")
        self.assertEqual(self.build("--profile", "rust").code, 0, "nobody holds the lock")

    def test_kill_9_lets_nix_end_what_it_started(self):
        pids = self.sandbox.path("pids")
        # As nix does to its builders, which are in sessions of their own.
        self.behave(f"case $1 in build) setsid sleep 1000 & trap \"kill $!; exit 1\" TERM; echo $! $$ >{pids}; echo begun >&2; wait;; esac")
        with subprocess.Popen([harness.program("agentvm"), "build", "--profile", "rust"], env={**self.sandbox.env, **self.env},
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as building:
            self.assertTrue(any("begun" in line for line in building.stderr))
            building.kill()
        with open(pids, encoding="ascii") as file:
            started = file.read().split()
        wait_until(lambda: not any(os.path.exists(f"/proc/{pid}/exe") for pid in started), 10, f"the end of {started}")

    def test_what_nohup_ignores_ends_no_build(self):
        self.behave("case $1 in build) kill -HUP $PPID; echo 'still here' >&2;; esac")
        with subprocess.Popen([harness.program("agentvm"), "build", "--profile", "rust"], env={**self.sandbox.env, **self.env},
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)) as building:
            stdout, stderr = building.communicate(timeout=seconds(30))
        self.assertEqual(building.returncode, 0, stderr)
        self.assertTrue(os.path.islink(stdout.strip()), stdout)

    def test_gc_lets_roots_go(self):
        roots = []
        for profile in ("rust", "go"):
            roots.append(self.build("--profile", profile).stdout.strip())
        os.utime(roots[0], (0, 0), follow_symlinks=False)
        planned = self.sandbox.run("gc", "--dry-run", env=self.env)
        self.assertEqual(planned.stdout, f"would remove GC root {roots[0]}\n", planned)
        self.assertTrue(os.path.islink(roots[0]))
        self.assertEqual(self.sandbox.run("gc", env=self.env).stdout, f"removed GC root {roots[0]}\n")
        self.assertEqual([os.path.islink(root) for root in roots], [False, True])

    def test_gc_lets_go_of_profiles_that_nobody_builds(self):
        roots = [self.build("--profile", profile).stdout.strip() for profile in ("rust", "go")]
        rust, go = (self.sandbox.path("cache", "agentvm", "nix", profile) for profile in ("rust", "go"))
        for path in (roots[0], rust):
            os.utime(path, (0, 0), follow_symlinks=False)
        what = f"GC root {roots[0]}\n{{}} locked inputs and build log {rust}\n"
        planned = self.sandbox.run("gc", "--dry-run", env=self.env)
        self.assertEqual(planned.stdout, "would remove " + what.format("would remove"), planned)
        self.assertTrue(os.path.exists(f"{rust}/flake.lock"))
        removed = self.sandbox.run("gc", env=self.env)
        self.assertEqual(removed.stdout, "removed " + what.format("removed"), removed)
        self.assertEqual([os.path.exists(path) for path in (rust, go)], [False, True])
        self.assertEqual(self.build("--profile", "rust").code, 0, "it is made again")


if __name__ == "__main__":
    harness.main()
