# install_test.py - what `cmake --install` makes works from where it lies, whatever the prefix, for an ordinary user.
import json
import os
import subprocess
import unittest

import harness
import user_test
from harness import Sandbox, wait_until

UID = user_test.UID
BUILD = os.environ.get("AGENTVM_TEST_BUILD", "")
PROGRAMS = {"bin": ("agentvm",), "libexec/agentvm": ("agentvm-supervisor", "agentvm-reaper", "agentvm-guest", "agentvm-netd",
                                                "agentvm-poold", "agentvm-keeper")}
FILES = ("share/bash-completion/completions/agentvm", "share/zsh/site-functions/_agentvm",
         "share/fish/vendor_completions.d/agentvm.fish", "lib/systemd/system/agentvm-netd.service",
         "lib/systemd/system/agentvm-netd.socket", "lib/systemd/system/agentvm-pool.service", "lib/sysusers.d/agentvm-pool.conf",
         "share/doc/agentvm/LICENSE", "share/doc/agentvm/README.md",
         "share/doc/agentvm/docs/profile.md", "share/doc/agentvm/docs/security.md", "share/agentvm/templates/init/agentvm.toml",
         "share/agentvm/templates/profiles/default.toml", "share/agentvm/templates/fleet/demo",
         "share/agentvm/flake/flake.nix", "share/agentvm/flake/CMakeLists.txt",
         "share/agentvm/flake/templates/nix/guest.nix", "share/agentvm/flake/guest/main.cpp",
         "share/agentvm/flake/templates/nixos/flake.nix", "share/agentvm/flake/nixos-module/codex.nix")


def install(prefix, destination=""):
    """cmake --install below a prefix that the build was not configured with."""
    done = subprocess.run([os.environ["AGENTVM_TEST_CMAKE"], "--install", BUILD, "--prefix", prefix], check=False,
                          env={**os.environ, "DESTDIR": destination}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        raise AssertionError(done.stdout)


@unittest.skipUnless(BUILD, "AGENTVM_TEST_BUILD is not set")
class Layout(unittest.TestCase):
    def setUp(self):
        self.sandbox = self.enterContext(Sandbox())

    def assert_whole(self, place, prefix):
        for folder, names in PROGRAMS.items():
            for name in names:
                self.assertEqual(harness.mode_of(f"{place}/{folder}/{name}"), 0o755, name)
        for name in FILES:
            self.assertTrue(os.path.isfile(f"{place}/{name}"), name)
        with open(f"{place}/lib/systemd/system/agentvm-netd.service", encoding="utf-8") as file:
            unit = file.read()
        self.assertIn(f'\nExecStart="{prefix}/libexec/agentvm/agentvm-netd"\n', unit)
        self.assertIn(f'\nExecStopPost="{prefix}/libexec/agentvm/agentvm-netd" --clean\n', unit)
        with open(f"{place}/lib/systemd/system/agentvm-pool.service", encoding="utf-8") as file:
            self.assertIn(f'\nExecStart="{prefix}/libexec/agentvm/agentvm-poold" --config ', file.read())

    def test_two_prefixes_of_one_build(self):
        for name in ("first", "second"):
            prefix = self.sandbox.path(name)
            install(prefix)
            self.assert_whole(prefix, prefix)

    def test_destdir_is_no_part_of_the_prefix(self):
        stage = self.sandbox.path("stage")
        install("/opt/agentvm", stage)
        self.assert_whole(f"{stage}/opt/agentvm", "/opt/agentvm")
        self.assertEqual(os.listdir(stage), ["opt"])

    def test_a_damaged_installation_is_told_by_doctor(self):
        prefix = self.sandbox.path("p")
        install(prefix)
        self.sandbox.programs = f"{prefix}/bin"
        os.unlink(f"{prefix}/libexec/agentvm/agentvm-reaper")
        # The one that runs stays; what the supervisor will start is gone.
        os.rename(f"{prefix}/bin/agentvm", f"{prefix}/bin/other")
        shown = subprocess.run([f"{prefix}/bin/other", "doctor", "--json"], env=self.sandbox.env, check=False,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
        self.assertEqual(shown.returncode, 1, shown)
        checks = {check["what"]: check for check in json.loads(shown.stdout)}
        for name, good in (("agentvm-supervisor", True), ("agentvm-guest", True), ("agentvm-reaper", False), ("agentvm", False)):
            self.assertEqual(checks[name]["good"], good, checks[name])
        self.assertIn("cmake --install", checks["agentvm"]["how_to_get_it"])


@unittest.skipUnless(BUILD, "AGENTVM_TEST_BUILD is not set")
class Used(unittest.TestCase):
    """As an ordinary user with nothing in the caches: kernel and tools are what root has set up for everybody."""

    @classmethod
    def setUpClass(cls):
        root = os.getuid() == 0
        cls.sandbox = cls.enterClassContext(Sandbox(owner=UID if root else None))
        os.chmod(cls.sandbox.directory, 0o755)
        cls.prefix = cls.sandbox.path("prefix")
        install(cls.prefix)
        cls.sandbox.programs = f"{cls.prefix}/bin"
        for name in [name for name in cls.sandbox.env if name.startswith("AGENTVM")]:
            del cls.sandbox.env[name]
        if root:
            os.mkdir(cls.sandbox.path("cache"), 0o700)
            os.chown(cls.sandbox.path("cache"), UID, UID)
            cls.sandbox.env["XDG_CACHE_HOME"] = cls.sandbox.path("cache")
            if harness.real_cache() not in (None, "/var/cache/agentvm"):
                cls.sandbox.env["AGENTVM_MACHINE_CACHE"] = harness.real_cache()

    def run_verb(self, *words, **how):
        done = self.sandbox.run(*words, **how)
        self.assertEqual(done.code, 0, done)
        return done

    def test_verbs_without_a_vm(self):
        self.assertRegex(self.run_verb("--version").stdout, r"\Aagentvm \d")
        self.assertEqual(self.run_verb("ls", "--json").json(), [])
        for words in (("gc",), ("profile", "list"), ("destroy", "--all"), ("run", "--help")):
            self.run_verb(*words)
        for shell, name in (("bash", FILES[0]), ("zsh", FILES[1]), ("fish", FILES[2])):
            with open(f"{self.prefix}/{name}", encoding="utf-8") as file:
                self.assertEqual(file.read(), self.run_verb("completion", shell).stdout)
        self.assertIn(f'"path:{self.prefix}/share/agentvm/flake"', self.run_verb("definition").stdout)
        planned = self.run_verb(*harness.small("--guest", "host", "--dry-run"), self.sandbox.workspace, "--command", "--", "true")
        self.assertNotIn(os.path.dirname(harness.BIN), planned.stdout)

    def test_doctor_sees_the_installation_and_the_machines_cache(self):
        checks = {check["what"]: check for check in json.loads(self.sandbox.run("doctor", "--json").stdout)}
        for folder, names in PROGRAMS.items():
            for name in names:
                if name != "agentvm-netd":
                    self.assertEqual(os.path.realpath(checks[name]["found"]), f"{self.prefix}/{folder}/{name}")
        self.assertEqual([check for check in checks.values() if check["required"] and not check["good"]], [])
        if os.getuid() == 0 and os.path.isdir(f"{harness.real_cache()}/kernel"):
            self.assertIn(f"{harness.real_cache()}/kernel/", checks["kernel"]["found"])

    def test_a_vm(self):
        reason = harness.missing_for_vms()
        if reason:
            self.skipTest(reason)
        run = self.run_verb(*harness.small("--name", "installed", "--detach", "--guest", "host"), self.sandbox.workspace,
                            "--command", "--", "sleep", "600")
        vm = self.sandbox.vm("installed").wait_known()
        self.assertEqual(self.run_verb("exec", "installed", "--", "sh", "-c", "echo seen > file; id -un").stdout, "agent\n", run)
        self.assertEqual(os.stat(f"{self.sandbox.workspace}/file").st_uid, UID if os.getuid() == 0 else os.getuid())
        self.assertEqual(self.run_verb("ls", "--json").json()[0]["name"], "installed")
        for words in (("inspect", "installed"), ("logs", "installed")):
            self.run_verb(*words)
        for process in vm.processes():
            if process.program.startswith("agentvm"):
                self.assertTrue(os.readlink(f"/proc/{process.pid}/exe").startswith(f"{self.prefix}/"), process)
        # The reaper starts the installed `agentvm gc`, so nothing of ours has to.
        vm.wait_for("agentvm-supervisor").kill()
        wait_until(lambda: not os.path.lexists(vm.state_dir), 30, "the reaper's agentvm gc")
        self.sandbox.assert_nothing_left(vm)


if __name__ == "__main__":
    harness.main()
