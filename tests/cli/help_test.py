# help_test.py - what agentvm says about itself: help, version, completion scripts, corrections of what was typed wrong.
import shutil
import subprocess
import unittest

import harness
from harness import Sandbox, sentences

VERBS = ("run", "exec", "shell", "attach", "ls", "inspect", "logs", "stop", "destroy", "gc", "net", "doctor", "profile", "definition",
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

    def test_missing_and_useless_words(self):
        for words in (("exec",), ("exec", "vm"), ("inspect",), ("run", "--command"), ("run", "-p", "a", "--", "b"),
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
