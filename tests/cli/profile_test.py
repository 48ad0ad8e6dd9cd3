# profile_test.py - the profile verbs: list, show, check; every mistake at once, each with its place.
import tomllib
import unittest

import harness
from harness import Sandbox

BUILT_IN = ("default", "rust", "python", "node", "go", "cpp", "nix")

FIVE_MISTAKES = """\
description = "wrong in five places"
[machine]
vcpuz = 4
memory = "lots"
vcpus = 0
[workspace]
mode = "writable"
[agent]
autonomy = 7
"""


@unittest.skipUnless(harness.BIN, "AGENTVM_BIN_DIR is not set")
class Profile(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.sandbox = cls.enterClassContext(Sandbox())
        cls.wrong = cls.sandbox.write_profile("wrong", FIVE_MISTAKES)

    def test_check_refuses_what_a_run_refuses(self):
        path = self.sandbox.write("later/profile.toml", 'agent.kind = "claude"\nworkspace.mode = "review"\n')
        checked = self.sandbox.run("profile", "check", path)
        self.assertNotEqual(checked.code, 0, checked)
        for words in ('"claude"', '"review"', "is not supported by this version"):
            self.assertIn(words, checked.stderr)

    def test_check_trusts_a_workspace_when_told(self):
        self.sandbox.write("stranger/agentvm.toml", 'machine.hypervisor = "qemu"\n')
        place = self.sandbox.path("stranger")
        checked = self.sandbox.run("profile", "check", cwd=place)
        self.assertEqual(checked.code, 2, checked)
        self.assertIn("machine.hypervisor", checked.stderr)
        self.assertEqual(self.sandbox.run("profile", "check", "--trust-workspace", cwd=place).code, 0)

    def test_list(self):
        listed = self.sandbox.run("profile", "list")
        self.assertEqual(listed.code, 0, listed)
        names = self.sandbox.run("profile", "list", "-q").stdout.split()
        for name in (*BUILT_IN, "small"):
            self.assertIn(name, listed.stdout)
            self.assertIn(name, names)
        entries = self.sandbox.run("profile", "list", "--json").json()
        self.assertLessEqual({*BUILT_IN, "small"}, {entry["name"] for entry in entries})

    def test_show_is_toml_that_can_be_shown_again(self):
        for name in (*BUILT_IN, "small"):
            with self.subTest(name=name):
                shown = self.sandbox.run("profile", "show", name)
                self.assertEqual(shown.code, 0, shown)
                profile = tomllib.loads(shown.stdout)
                self.assertIn("vcpus", profile["machine"])
                again = self.sandbox.run("profile", "show", self.sandbox.write(f"shown/{name}.toml", shown.stdout))
                self.assertEqual(tomllib.loads(again.stdout), profile)

    def test_show_merges_and_overrides(self):
        shown = tomllib.loads(self.sandbox.run("profile", "show", "small", "--vcpus", "3", "--env", "A=b").stdout)
        self.assertEqual(shown["machine"]["vcpus"], 3)
        self.assertEqual(shown["machine"]["memory"], "640MiB")
        self.assertEqual(shown["agent"]["kind"], "codex", "from default")
        self.assertEqual(shown["agent"]["env"]["A"], "b")

    def test_five_mistakes_at_once(self):
        for words in (("profile", "check", "wrong"), ("profile", "check", self.wrong),
                      ("run", "--profile", "wrong", self.sandbox.workspace, "--command", "--", "true")):
            with self.subTest(words=words):
                run = self.sandbox.run(*words)
                self.assertEqual(run.code, 2, run)
                told = run.stdout + run.stderr
                for line, column, key in ((3, 1, "vcpuz"), (4, 10, "memory"), (5, 9, "vcpus"), (7, 8, "mode"), (9, 12, "autonomy")):
                    self.assertRegex(told, rf"{self.wrong}:{line}:(1|{column}): [^\n]*{key}", told)
                self.assertIn("machine.vcpus", told, "the nearest known key")
                for rule in ("1", "256", "read-only", "full-auto"):
                    self.assertIn(rule, told)
        self.assertEqual(self.sandbox.left(), [])

    def test_check_says_ok(self):
        self.assertEqual(self.sandbox.run("profile", "check", *BUILT_IN, "small").code, 0)

    def test_check_refuses_what_run_refuses(self):
        """Unsupported keys are mistakes; what this machine lacks is not, and is said."""
        for setting in ('agent.kind = "claude"', 'workspace.mode = "review"', 'network.allow = ["a.org"]', 'model.wire = "chat"'):
            with self.subTest(setting=setting):
                self.sandbox.write_profile("later", f'extends = "small"\n{setting}\n')
                checked = self.sandbox.run("profile", "check", "later")
                self.assertEqual((checked.code, checked.stdout), (2, ""), checked)
                self.assertIn(setting.split(" ")[0], checked.stderr)
                self.assertIn("not supported", checked.stderr)
                ran = self.sandbox.run("run", "--profile", "later", "--dry-run", self.sandbox.workspace, "-p", "do it")
                self.assertEqual(ran.code, 2, ran)
        self.sandbox.write_profile("tools", 'extends = "small"\nguest.tools = ["no-such-tool"]\n')
        checked = self.sandbox.run("profile", "check", "tools")
        self.assertEqual((checked.code, checked.stdout), (0, "tools: good\n"), checked)
        self.assertIn("no-such-tool", checked.stderr)

    def test_the_examples_of_help_work(self):
        self.sandbox.write("ws/agentvm.toml", 'profile = "rust"\n')
        for words in (("show", "--origins", "./agentvm.toml"), ("check", "rust", "./agentvm.toml")):
            run = self.sandbox.run("profile", *words, cwd=self.sandbox.workspace)
            self.assertEqual(run.code, 0, run)

    def test_syntax_error_has_a_place(self):
        path = self.sandbox.write_profile("broken", "[machine]\nvcpus = = 3\n")
        run = self.sandbox.run("profile", "check", "broken")
        self.assertEqual(run.code, 2, run)
        self.assertRegex(run.stdout + run.stderr, rf"{path}:2:\d+: ")

    def test_unknown_profile(self):
        for words in (("profile", "show", "rusty"), ("run", "--profile", "rusty", self.sandbox.workspace, "--command", "--", "true")):
            run = self.sandbox.run(*words)
            self.assertEqual((run.code, run.stdout), (2, ""), run)
            self.assertIn("rusty", run.stderr)
            self.assertIn("'rust'", run.stderr.replace('"', "'"), "the nearest name")

    def test_extends_in_a_circle(self):
        self.sandbox.write_profile("first", 'extends = "second"\n')
        self.sandbox.write_profile("second", 'extends = "first"\n')
        run = self.sandbox.run("profile", "show", "first")
        self.assertEqual(run.code, 2, run)
        self.assertIn("second", run.stderr)

    def test_what_comes_later_is_refused_by_name(self):
        """Keys whose engine is not there yet: checked, shown, and refused at run time with a sentence each."""
        for setting, word in (("workspace.mode=review", "workspace.mode"), ("network.egress=proxy", "network.egress"), ("agent.kind=claude", "agent.kind")):
            with self.subTest(setting=setting):
                self.assertEqual(self.sandbox.run("profile", "show", "small", "--set", setting).code, 0)
                command = () if word == "agent.kind" else ("--command",)
                run = self.sandbox.run("run", "--profile", "small", "--set", setting, self.sandbox.workspace, *command, "--", "true")
                self.assertIn(run.code, (2, 125), run)
                self.assertIn(word, run.stderr)
                self.assertEqual(run.stdout, "")
        self.assertEqual(self.sandbox.left(), [])

    def test_cloud_hypervisor_needs_kvm_and_a_program(self):
        """Both are said in one go, with the way out, before anything is started."""
        run = self.sandbox.run("run", "--profile", "small", "--hypervisor", "cloud-hypervisor", self.sandbox.workspace, "--command",
                               "--", "true", env={"AGENTVM_ACCEL": "tcg", "AGENTVM_CLOUD_HYPERVISOR": "/none"})
        self.assertEqual((run.code, run.stdout), (125, ""), run)
        for words in ("cloud-hypervisor needs KVM", "there is no cloud-hypervisor", "AGENTVM_CLOUD_HYPERVISOR", "qemu"):
            self.assertIn(words, run.stderr)
        self.assertEqual(self.sandbox.left(), [])


if __name__ == "__main__":
    harness.main()
