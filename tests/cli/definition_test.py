# definition_test.py - the verbs about files: agentvm definition prints or writes a flake, agentvm init a project's files.
import os
import re
import unittest

import harness
from harness import Sandbox

BUILT_IN = ("default", "rust", "python", "node", "go", "cpp", "nix")


def read(*parts):
    with open(os.path.join(*parts), encoding="utf-8") as file:
        return file.read()


@unittest.skipUnless(harness.BIN, "AGENTVM_BIN_DIR is not set")
class Definition(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.sandbox = cls.enterClassContext(Sandbox())

    def test_printed_and_written_are_the_same(self):
        for name in BUILT_IN:
            with self.subTest(name=name):
                files = self.sandbox.run("definition", "--profile", name, "--json").json()["files"]
                self.assertEqual([file["name"] for file in files], ["flake.nix", "vm.nix", "codex.toml", "AGENTS.md"])
                printed = self.sandbox.run("definition", "--profile", name)
                self.assertEqual((printed.code, printed.stderr), (0, ""))
                self.assertEqual(printed.stdout, "\n".join(f"==> {file['name']} <==\n{file['content']}" for file in files))
                directory = self.sandbox.path("written", name)
                written = self.sandbox.run("definition", "--profile", name, "--output", directory)
                self.assertEqual(written.stdout.split(), [f"{directory}/{file['name']}" for file in files])
                for file in files:
                    self.assertEqual(read(directory, file["name"]), file["content"])

    def test_written_over_only_by_force(self):
        directory = self.sandbox.path("forced")
        words = ("definition", "--profile", "rust", "-o", directory)
        self.assertEqual(self.sandbox.run(*words).code, 0)
        self.assertEqual(self.sandbox.run(*words).code, 0, "the same again")
        refused = self.sandbox.run("definition", "--profile", "go", "-o", directory)
        self.assertEqual((refused.code, refused.stdout), (2, ""), refused)
        self.assertIn(f"{directory}/flake.nix", refused.stderr)
        self.assertIn("--force", refused.stderr)
        self.assertIn("nixosConfigurations.rust", read(directory, "flake.nix"), "nothing was written")
        self.assertEqual(self.sandbox.run("definition", "--profile", "go", "-o", directory, "--force").code, 0)
        self.assertIn("nixosConfigurations.go", read(directory, "flake.nix"))

    def test_modules_are_copied_from_beside_the_profile(self):
        self.sandbox.write("config/agentvm/profiles/extra.nix", "{ programs.direnv.enable = true; }\n")
        self.sandbox.write_profile("team", 'extends = "rust"\nguest.modules = ["./extra.nix"]\n')
        files = {file["name"]: file["content"] for file in self.sandbox.run("definition", "--profile", "team", "--json").json()["files"]}
        self.assertEqual(files["modules/1-extra.nix"], "{ programs.direnv.enable = true; }\n")
        self.assertIn("./modules/1-extra.nix", files["flake.nix"])

    def test_a_module_that_is_no_file(self):
        for path in ("/etc", "/nowhere/x.nix", "/dev/null"):
            with self.subTest(path=path):
                run = self.sandbox.run("definition", "--set", f"guest.modules={path}")
                self.assertEqual((run.code, run.stdout), (2, ""), run)
                self.assertIn("guest.modules", run.stderr)
                self.assertIn(path, run.stderr)

    def test_a_workspace_reaches_for_nothing_unasked(self):
        """Its modules and flakes would be read from this machine."""
        secret = self.sandbox.write("secret.nix", "# secret\n")
        for setting in (f'guest.modules = ["{secret}"]', f'guest.nixpkgs = "path:{self.sandbox.directory}"',
                        'agent.package = "nix:path:/etc#x"'):
            with self.subTest(setting=setting):
                self.sandbox.write("stranger/agentvm.toml", setting + "\n")
                refused = self.sandbox.run("definition", cwd=self.sandbox.path("stranger"))
                self.assertEqual((refused.code, refused.stdout), (2, ""), refused)
                self.assertIn("--trust-workspace", refused.stderr)
                taken = self.sandbox.run("definition", "--trust-workspace", cwd=self.sandbox.path("stranger"))
                self.assertEqual(taken.code, 0, taken)

    def test_the_source_of_the_guest_module(self):
        for env, url in ((None, r"git\+file:///|path:/"), ("github:me/agentvm/main", "github:me/agentvm/main")):
            shown = self.sandbox.run("definition", env={"AGENTVM_FLAKE": env} if env else None)
            self.assertRegex(shown.stdout, rf'agentvm = \{{\n +url = "({url})')


@unittest.skipUnless(harness.BIN, "AGENTVM_BIN_DIR is not set")
class Init(unittest.TestCase):
    def setUp(self):
        self.sandbox = self.enterContext(Sandbox())
        self.project = self.sandbox.workspace

    def test_every_line_can_be_switched_on(self):
        run = self.sandbox.run("init", "--profile", "rust", self.project)
        self.assertEqual((run.code, run.stdout), (0, f"{self.project}/agentvm.toml\n"), run)
        text = read(self.project, "agentvm.toml")
        shown = self.sandbox.run("profile", "show", cwd=self.project)
        self.assertEqual(shown.stdout, self.sandbox.run("profile", "show", "rust").stdout, "as it is, it changes nothing")
        lines = re.sub(r"^# (?=[a-z._]+ = )", "", text, flags=re.M)
        self.assertGreater(len(re.findall(r"^[a-z._]+ = ", lines, flags=re.M)), 25)
        self.sandbox.write("ws/agentvm.toml", lines)
        checked = self.sandbox.run("profile", "check", cwd=self.project)
        self.assertEqual(checked.code, 0, checked)
        switched_on = self.sandbox.run("profile", "show", cwd=self.project)
        self.assertEqual(switched_on.stdout, shown.stdout, "the values shown are the defaults")

    def test_never_over_a_file(self):
        self.sandbox.write("ws/AGENTS.md", "mine\n")
        refused = self.sandbox.run("init", "--agents-md", cwd=self.project)
        self.assertEqual((refused.code, refused.stdout), (2, ""), refused)
        self.assertIn("./AGENTS.md", refused.stderr)
        self.assertEqual(os.listdir(self.project), ["AGENTS.md"], "neither of the two was written")
        self.assertEqual(self.sandbox.run("init", "--agents-md", "--force", cwd=self.project).code, 0)
        self.assertIn("flake.lock", read(self.project, "AGENTS.md"))
        self.assertEqual(sorted(os.listdir(self.project)), ["AGENTS.md", "agentvm.toml"])

    def test_never_through_a_link(self):
        target = self.sandbox.path("target")
        os.symlink(target, f"{self.project}/agentvm.toml")
        self.assertEqual(self.sandbox.run("init", cwd=self.project).code, 2)
        self.assertEqual(self.sandbox.run("init", "--force", cwd=self.project).code, 0)
        self.assertFalse(os.path.lexists(target))
        self.assertFalse(os.path.islink(f"{self.project}/agentvm.toml"))

    def test_what_cannot_be_made(self):
        for words, part in ((("--profile", "rusty"), "'rust'"), (("--profile", "./x.toml"), "./x.toml"), (("nowhere",), "nowhere")):
            run = self.sandbox.run("init", *words, cwd=self.project)
            self.assertEqual((run.code, run.stdout), (2, ""), run)
            self.assertIn(part, run.stderr)
        self.assertEqual(os.listdir(self.project), [])


if __name__ == "__main__":
    harness.main()
