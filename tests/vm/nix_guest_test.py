# nix_guest_test.py - `agentvm run` with a guest of NixOS: a made-up one, built by a fake `nix` and really booted.
import functools
import os
import re
import secrets
import shutil
import subprocess
import unittest

import harness
from harness import VmTestCase, sentences
from nix_world import INIT, NixWorld
from patience import seconds
from scripted_model_process import ScriptedModel

LOOK = r"""
id
echo "$SHELL $PATH $HOME $PWD"
cat /etc/machine-id
grep -o 'systemd.machine_id=[^ ]*' /proc/cmdline
grep -c ' /workspace ' /proc/self/mountinfo
cat /run/agentvm/gitconfig
echo written >by-agent
echo err >&2
exit 7
"""


@functools.cache
def missing_for_strace():
    """Why nothing can be traced here; "" when it can."""
    if not shutil.which("strace"):
        return "strace is not here"
    tried = subprocess.run(["strace", "-o", "/dev/null", "true"], stderr=subprocess.PIPE, text=True, check=False)
    return f"strace does not work here: {tried.stderr.strip()}" if tried.returncode else ""


class NixGuest(VmTestCase):
    MACHINE = ()  # options that say who runs it

    def setUp(self):
        if not INIT:
            self.skipTest("AGENTVM_TEST_NIX_INIT is not set: the initramfs' program is the build's")
        self.box = self.enterContext(harness.Sandbox())
        self.nix = NixWorld(self.box)
        self.box.write("home/.gitconfig", '[user]\nname = "Ann"\n[alias]\nx = !true\n')

    def run_nix(self, *options, **how):
        return self.nix.run(*self.MACHINE, *options, **how)

    def look(self, run, name):
        """What a run of LOOK must have shown."""
        self.assert_code(run, 7)
        lines = run.stdout.splitlines()
        self.assertEqual(len(lines), 7, run)
        self.assertEqual(lines[0], "uid=1000(agent) gid=1000(agent) groups=1000(agent),1(wheel),131(docker)", run)
        self.assertEqual(lines[1], "/nix/store/sw/bin/sh /run/wrappers/bin:/nix/store/sw/bin /home/agent /workspace", run)
        self.assertRegex(lines[2], r"\A[0-9a-f]{32}\Z", run)
        self.assertEqual(lines[3], f"systemd.machine_id={lines[2]}", "the host's, which /setup has left alone")
        self.assertEqual(lines[4], "1", "the workspace is mounted once")
        self.assertEqual(lines[5:], ["[user]", '\tname = "Ann"'], "of the caller's Git configuration")
        self.assertIn("err\n", run.stderr, run)
        self.assertIn("nix guest, Linux", run.stderr, run)
        with open(f"{self.box.workspace}/by-agent", encoding="utf-8") as file:
            self.assertEqual(file.read(), "written\n", name)
        os.unlink(f"{self.box.workspace}/by-agent")
        self.box.assert_nothing_left()
        return lines[2]

    def test_a_first_stage_that_gives_up(self):
        """It would wait for somebody at the console; the run ends at once, with what failed and the stage it was in."""
        self.nix.serve_manifest(params=("test.emergency",))
        run = self.run_nix("--guest", "nix", command=("true",))
        self.assert_code(run, 125)
        self.assertIn("booting the guest: the guest's first stage\n", run.stderr, run)
        self.assertIn("the guest's boot failed: Failed to mount sysroot.mount - /sysroot.\n", run.stderr, run)
        self.assertIn("You are in emergency mode", run.stderr, "the console's end")
        self.box.assert_nothing_left()

    def test_built_by_the_first_run_and_booted_by_the_next(self):
        first = self.run_nix("--guest", "nix", command=("sh", "-c", LOOK))
        one = self.look(first, "first")
        self.assertIn("building the system", first.stderr)
        self.assertEqual(self.nix.calls(), ["flake", "build"])
        second = self.run_nix("--guest", "auto", command=("sh", "-c", LOOK))
        self.assertNotEqual(self.look(second, "second"), one)
        self.assertEqual(self.nix.calls(), [], "what is built is found without Nix")

    def test_one_that_somebody_else_had_built(self):
        """guest.image: booted as it is, with no Nix and no definition, for `auto` as well; --guest host leaves it."""
        self.run_nix("--guest", "nix")
        root, = self.nix.roots()
        image = os.path.realpath(root)
        self.nix.calls()
        shutil.rmtree(self.box.path("cache", "agentvm", "nix"))
        given = ("--set", f"guest.image={image}")
        self.look(self.run_nix(*given, command=("sh", "-c", LOOK), env=self.nix.without_nix()), "given")
        planned = self.run_nix("--dry-run", "--json", *given, "--guest", "host")
        self.assertNotIn(image, planned.stdout)
        wrong = self.run_nix("--set", f"guest.image={self.box.path('home')}")
        self.assert_code(wrong, 125)
        self.assertIn("guest.image: ", wrong.stderr)
        self.assertIn("which leads out of the store", wrong.stderr)
        built = self.box.run("build", *given, env=self.nix.env)
        self.assertEqual((built.code, built.stdout), (0, image + "\n"), built)
        self.assertEqual(self.nix.calls(), [])

    def test_a_workspace_that_the_machine_mounts_itself(self):
        self.nix.serve_manifest(params=("test.workspace=mounted",))
        self.look(self.run_nix("--guest", "nix", command=("sh", "-c", LOOK)), "mounted")

    def test_a_read_only_workspace_that_the_machine_mounts_itself(self):
        """The definition is of a profile, which does not say what the agent may do to one run's files."""
        self.nix.serve_manifest(params=("test.workspace=mounted",))
        run = self.run_nix("--guest", "nix", "--workspace-mode", "read-only",
                           command=("sh", "-c", "grep ' /workspace ' /proc/self/mounts; : >new"))
        self.assertRegex(run.stdout, r"\Aworkspace /workspace virtiofs ro,nosuid,nodev,", run)
        self.assertIn("Read-only file system", run.stderr, run)
        self.assertNotEqual(run.code, 0, run)
        self.assertEqual(os.listdir(self.box.workspace), [])
        self.box.assert_nothing_left()

    def test_the_store_as_a_disk(self):
        self.nix.make_disk()
        self.nix.serve_manifest(disk=True)
        script = LOOK.replace("id\n", "grep -q '/dev/vda /nix/store ext4 ro,' /proc/mounts && id\n", 1)
        self.look(self.run_nix("--guest", "nix", "--set", "store.share=closure", command=("sh", "-c", script)), "disk")

    def test_codex_of_the_host_works_in_it(self):
        codex = next((item for item in harness.doctor_items() if item["what"] == "codex"), None)
        if codex is None or not codex["good"]:
            self.skipTest("codex is not here")
        key = "sk-" + secrets.token_hex(20)
        turns = [{"say": [{"exec": "id -un; pwd; cat ~/.codex/AGENTS.md; echo 42 >answer"}]},
                 {"expect_contains": ["agent", "/workspace", "The system is NixOS"], "say": [{"message": "It is NixOS."}]}]
        with ScriptedModel(self.box, turns, key) as model:
            run = self.box.run(*harness.small(*self.MACHINE, "--guest", "nix", "--memory", "1GiB",
                                              "--set", "agent.package=host", "--upstream", model.upstream),
                               self.box.workspace, "--", "look around",
                               env={**self.nix.env, "AGENTVM_CODEX": codex["found"].split(", version")[0], "OPENAI_API_KEY": key}, limit=180)
        self.assertEqual(model.verdict, "", run)
        self.assert_code(run, 0)
        self.assertIn("It is NixOS.", run.stdout)
        with open(f"{self.box.workspace}/answer", encoding="utf-8") as file:
            self.assertEqual(file.read(), "42\n")
        self.box.assert_nothing_left()

    def test_gc_keeps_what_a_living_vm_was_booted_from(self):
        kept = self.run_nix("--guest", "nix", "--name", "kept", "-d", "--keep")
        self.assert_code(kept, 0)
        roots = self.nix.roots()
        self.assertEqual(len(roots), 1)
        # Another one is used later, and a month goes by.
        newer = roots[0] + "-newer"
        os.symlink(os.readlink(roots[0]), newer)
        os.utime(roots[0], (0, 0), follow_symlinks=False)
        self.assert_code(self.box.run("gc", env=self.nix.env), 0)
        self.assertEqual(self.nix.roots(), [roots[0], newer])
        shown = self.box.run("exec", "kept", "--", "sh", "-c", "id -un; echo $PATH", env=self.nix.env)
        self.assertEqual(shown.stdout, "agent\n/run/wrappers/bin:/nix/store/sw/bin\n", shown)
        self.assert_code(self.box.run("destroy", "kept", env=self.nix.env), 0)
        self.assert_code(self.box.run("gc", env=self.nix.env), 0)
        self.assertEqual(self.nix.roots(), [newer])
        self.box.assert_nothing_left()


class BeforeABoot(VmTestCase):
    """What is decided and said without a VM."""

    def setUp(self):
        if not INIT:
            self.skipTest("AGENTVM_TEST_NIX_INIT is not set: the initramfs' program is the build's")
        self.box = self.enterContext(harness.Sandbox())
        self.nix = NixWorld(self.box)

    def guest_of(self, *options, **how):
        """What a dry run says about the guest."""
        run = self.nix.run(*options, "--dry-run", **how)
        self.assert_code(run, 0)
        self.assertEqual(self.nix.calls(), [], "a dry run never starts Nix")
        self.assertEqual(self.box.left(), [])
        return next(line for line in run.stdout.splitlines() if line.startswith("guest")).split(None, 1)[1], run.stdout

    def test_dry_runs_and_auto(self):
        self.assertEqual(self.guest_of("--guest", "nix")[0], "nix guest, not built yet")
        guest, text = self.guest_of()
        self.assertTrue(guest.startswith("host guest"), "auto begins no build")
        self.assertIn("agentvm build", text)
        self.assertEqual(self.box.run("build", "--profile", "small", env=self.nix.env).code, 0)
        self.assertEqual(self.nix.calls(), ["flake", "build"])
        version = self.nix.kernel["kernel_version"]
        for options in ((), ("--guest", "nix"), ("--memory", "1GiB", "--guest", "nix")):
            self.assertEqual(self.guest_of(*options)[0], f"nix guest, Linux {version}", options)
        self.assertTrue(self.guest_of("--guest", "host")[0].startswith("host guest"))
        without = self.nix.without_nix()
        guest, text = self.guest_of(env=without)
        self.assertTrue(guest.startswith("host guest"), "auto without nix")
        self.assertNotIn("agentvm build", text)
        self.assertTrue(self.guest_of("--guest", "nix", env=without)[0].startswith("nix guest, Linux"), "found without nix")

    def test_a_warm_dry_run_executes_nothing(self):
        if reason := missing_for_strace():
            self.skipTest(reason)
        # A native program that tells a version, and says that it is called codex.
        shutil.copy(shutil.which("grep"), self.box.path("bin", "codex"))
        env = {**self.nix.env, "AGENTVM_CODEX": self.box.path("bin", "codex"), "OPENAI_API_KEY": "sk-none"}
        # What must start programs is seen to.
        self.assertIn("nix", self.executed("build", "--profile", "small", env=env))
        command, agent = ("--command", "--", "true"), ("--", "look around")
        for options, words in ((("--guest", "nix"), command), ((), command),
                               (("--guest", "nix", "--set", "agent.package=host"), agent), (("--guest", "host"), agent)):
            plan = (*harness.small(*options, "--dry-run"), self.box.workspace, *words)
            with self.subTest(options=options, words=words):
                self.assert_code(self.box.run(*plan, env=env), 0)  # asks Codex once for its version
                self.assertEqual(self.executed(*plan, env=env), ["agentvm"])

    def executed(self, *words, env):
        """The programs that a command of agentvm and all its children execute, itself first."""
        trace = self.box.path("trace")
        env = {**self.box.env, **env, "ASAN_OPTIONS": self.box.env.get("ASAN_OPTIONS", "") + ":detect_leaks=0"}  # needs ptrace itself
        subprocess.run(["strace", "-f", "-qq", "-o", trace, "-e", "trace=execve,execveat", harness.program("agentvm"), *words],
                       env=env, check=True, stdout=subprocess.DEVNULL, timeout=seconds(60))
        with open(trace, encoding="utf-8") as file:
            return [os.path.basename(path) for path in re.findall(r'execve(?:at)?\((?:[^"]*, )?"([^"]*)".* = 0$', file.read(), re.MULTILINE)]

    def test_a_build_that_fails_is_one_message(self):
        self.nix.behave("case $1 in build) echo 'error: attribute missing' >&2; exit 1;; esac")
        failed = self.nix.run("--guest", "nix", "--json")
        self.assertEqual((failed.code, failed.stdout), (125, ""), failed)
        self.assertIn("attribute missing", failed.stderr)
        self.assertIn("/nix/small/build.log", failed.stderr)
        self.assertEqual(len(sentences(failed)), 2, failed)
        self.box.assert_nothing_left()

    def test_what_else_is_wrong_is_said_before_a_build(self):
        refused = self.nix.run("--guest", "nix", "--egress", "proxy")
        self.assert_code(refused, 2)
        self.assertIn("network.egress", refused.stderr)
        self.assertEqual(self.nix.calls(), [])

    def test_without_nix(self):
        failed = self.nix.run("--guest", "nix", env=self.nix.without_nix())
        self.assert_code(failed, 126)
        self.assertIn("there is no `nix`", failed.stderr)
        self.box.assert_nothing_left()


if __name__ == "__main__":
    harness.main()
