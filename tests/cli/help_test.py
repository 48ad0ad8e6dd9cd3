# help_test.py - what agentvm says about itself: help, version, completion scripts, corrections of what was typed wrong.
import os
import shutil
import subprocess
import unittest

import harness
from harness import Sandbox, sentences

VERBS = ("run", "map", "exec", "shell", "attach", "ls", "inspect", "logs", "stop", "destroy", "gc", "net", "doctor", "profile", "definition",
         "build", "init", "completion")


@unittest.skipUnless(harness.BIN, "AGENTVM_BIN_DIR is not set")
class Help(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.sandbox = cls.enterClassContext(Sandbox())

    def test_every_verb_has_an_example(self):
        top = self.sandbox.run("--help")
        self.assertEqual((top.code, top.stderr), (0, ""), top)
        for verb in VERBS:
            with self.subTest(verb=verb):
                self.assertIn(verb, top.stdout)
                shown = self.sandbox.run(verb, "--help")
                self.assertEqual((shown.code, shown.stderr), (0, ""), shown)
                self.assertIn("Example", shown.stdout)
                self.assertIn(f"agentvm {verb}", shown.stdout)
                self.assertLessEqual(max(map(len, shown.stdout.splitlines())), 120, "fits a terminal")

    def test_every_flag_of_run_is_explained(self):
        shown = self.sandbox.run("run", "--help").stdout
        for flag in ("--profile", "--name", "--prompt", "--prompt-file", "--command", "--detach", "--keep", "--report", "--json",
                     "--dry-run", "--memory", "--vcpus", "--disk", "--workspace-mode", "--egress", "--connect", "--timeout"):
            self.assertIn(flag, shown)

    def test_version(self):
        shown = self.sandbox.run("--version")
        self.assertEqual(shown.code, 0)
        self.assertRegex(shown.stdout, r"\Aagentvm \d+\.\d+\.\d+\n\Z")

    def test_no_verb_shows_help(self):
        shown = self.sandbox.run()
        self.assertIn(shown.code, (0, 2), shown)
        self.assertIn("run", shown.stdout + shown.stderr)

    def test_nearest_verb_and_option(self):
        for words, near in ((("rnu",), "run"), (("destory",), "destroy"), (("run", "--memroy", "1GiB"), "--memory"),
                            (("profile", "shwo"), "show"), (("ls", "--jsno"), "--json")):
            with self.subTest(words=words):
                run = self.sandbox.run(*words)
                self.assertEqual((run.code, run.stdout), (2, ""), run)
                self.assertIn(words[-1] if words[-1] != "1GiB" else words[-2], run.stderr)
                self.assertIn(near, run.stderr)
                self.assertLessEqual(len(sentences(run)), 2, run)

    def test_a_word_before_a_verb_is_never_passed_over(self):
        """`agentvm help destroy` must not destroy, nor `agentvm foo stop` stop."""
        self.sandbox.write("state/agentvm/vms/only/state.json", "{}")
        helped = self.sandbox.run("help", "destroy")
        self.assertEqual((helped.code, helped.stdout), (0, self.sandbox.run("destroy", "--help").stdout))
        for words in (("foo", "stop"), ("foo", "destroy"), ("foo", "gc"), ("-v", "foo", "destroy", "--all"), ("profile", "foo", "list")):
            with self.subTest(words=words):
                run = self.sandbox.run(*words)
                self.assertEqual((run.code, run.stdout), (2, ""), run)
                self.assertIn("unknown verb 'foo'", run.stderr)
        self.assertEqual(self.sandbox.run("ls", "-q").stdout, "only\n")
        self.assertEqual(self.sandbox.run("rm", "only").code, 0, "an alias of destroy")
        self.assertEqual(self.sandbox.run("ps", "-q").stdout, "")

    def test_verbs_of_other_tools(self):
        for verb, told in (("start", "cannot be started again"), ("cp", "agentvm exec NAME -- tar x"), ("top", "-- top"),
                           ("stats", "-- top")):
            with self.subTest(verb=verb):
                run = self.sandbox.run(verb, "x")
                self.assertEqual((run.code, run.stdout), (2, ""), run)
                self.assertIn(told, run.stderr)

    def test_what_was_typed_cannot_drive_the_terminal(self):
        for words in (("run", "--memory", "\x1b]52;c;eA==\x07"), ("exec", "\u009b2J", "--", "x"), ("\u202everb",), ("run", "\x1b[2J")):
            with self.subTest(words=words):
                run = self.sandbox.run(*words)
                self.assertNotEqual(run.code, 0)
                for sign in ("\x1b", "\x07", "\u009b", "\u202e"):
                    self.assertNotIn(sign, run.stderr)

    def test_bytes_that_are_no_text_are_refused_or_passed(self):
        for words in (("run", b"f\xff"), ("run", "--name", b"\xff"), ("run", "--", b"do \xff"), ("destroy", b"\xff")):
            with self.subTest(words=words):
                run = self.sandbox.run(*[os.fsdecode(word) if isinstance(word, bytes) else word for word in words])
                self.assertEqual(run.code, 2, run)
                self.assertIn("is not UTF-8 text", run.stderr)
                self.assertNotIn("json", run.stderr)
        run = self.sandbox.run("run", "--prompt-file", "-", self.sandbox.workspace, input=b"do \xff")
        self.assertEqual(run.code, 2, run)
        self.assertIn("the prompt is not UTF-8 text", run.stderr)

    def test_long_messages_are_folded_at_words(self):
        with self.sandbox.terminal("run", self.sandbox.workspace, "--", "x", columns=60) as terminal:
            terminal.finish()
            self.assertLessEqual(max(map(len, terminal.screen.splitlines())), 60, terminal.screen)

    def test_missing_and_useless_words(self):
        for words in (("exec",), ("exec", "vm"), ("exec", "--bogus", "vm", "ls"), ("foo", "stop"), ("run", "-t", "-d"), ("inspect",), ("run", "--command"), ("run", "-p", "a", "--", "b"),
                      ("run", "a", "b"), ("run", "--vcpus"), ("ls", "--", "x"), ("stop", "--deadline", "soon", "vm")):
            with self.subTest(words=words):
                run = self.sandbox.run(*words)
                self.assertEqual((run.code, run.stdout), (2, ""), run)
                self.assertTrue(1 <= len(sentences(run)) <= 2, run)
        self.assertEqual(self.sandbox.left(), [])

    def test_completion_scripts(self):
        for shell, check in (("bash", ["bash", "-n"]), ("zsh", ["zsh", "-n"]), ("fish", ["fish", "--no-execute"])):
            with self.subTest(shell=shell):
                script = self.sandbox.run("completion", shell)
                self.assertEqual((script.code, script.stderr), (0, ""), script)
                for word in ("run", "destroy", "--profile"):
                    self.assertIn(word.lstrip("-"), script.stdout)
                if not shutil.which(check[0]):
                    print(f"\nskipped: the completion script of {shell}: {shell} is not installed")
                    continue
                path = self.sandbox.write(f"completion.{shell}", script.stdout)
                parsed = subprocess.run([*check, path], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
                self.assertEqual((parsed.returncode, parsed.stdout), (0, b""))

    def test_bash_completes(self):
        path = self.sandbox.write("completion.bash", self.sandbox.run("completion", "bash").stdout)

        def complete(*words):
            """What bash would offer for the last of these words."""
            script = (f"source {path}; COMP_WORDS=({' '.join(repr(word) for word in words)}); COMP_CWORD={len(words) - 1}; "
                      "COMP_LINE=\"${COMP_WORDS[*]}\"; COMP_POINT=${#COMP_LINE}; "
                      "name=$(complete -p agentvm | sed 's/.*-F \\([^ ]*\\).*/\\1/'); "
                      "$name agentvm \"${COMP_WORDS[COMP_CWORD]}\" \"${COMP_WORDS[COMP_CWORD-1]}\"; printf '%s\\n' \"${COMPREPLY[@]}\"")
            env = {**self.sandbox.env, "PATH": f"{harness.BIN}:{self.sandbox.env['PATH']}"}
            shown = subprocess.run(["bash", "--norc", "-c", script], env=env, stdout=subprocess.PIPE, check=True)
            return [word.strip() for word in shown.stdout.decode().splitlines()]

        self.assertIn("destroy", complete("agentvm", "des"))
        self.assertIn("--profile", complete("agentvm", "run", "--prof"))
        self.assertIn("rust", complete("agentvm", "run", "--profile", "ru"))

    def test_unknown_shell(self):
        run = self.sandbox.run("completion", "tcsh")
        self.assertEqual(run.code, 2, run)
        self.assertIn("bash", run.stderr + self.sandbox.run("completion", "--help").stdout)


if __name__ == "__main__":
    harness.main()
