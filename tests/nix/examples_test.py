# examples_test.py - the examples of docs/nixos.md, as they stand there: each is evaluated, and comes to what the page says.
import json
import os
import re
import shutil
import subprocess
import unittest

import harness
import nix
import nixpkgs
from harness import Sandbox

PAGE = os.path.join(harness.SOURCE, "docs", "nixos.md")
BLOCK = re.compile(r"^```(\S+)(?: (\S+))?(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
KINDS = {("toml", "profile"), ("nix", "guest"), ("nix", "host"), ("nix", "home"), ("nix", "flake"), ("sh", None)}
# Where the other two trees are, for evaluations with the real nixpkgs.
MICROVM = os.environ.get("AGENTVM_MICROVM", "")
HOME_MANAGER = os.environ.get("AGENTVM_HOME_MANAGER", "")
REAL_HOST = '{ lib, ... }: { nixpkgs.hostPlatform = "x86_64-linux"; boot.isContainer = true; system.stateVersion = lib.trivial.release; }\n'


def toml(value):
    """A value of JSON as TOML's, tables inline."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(key)} = {toml(inner)}" for key, inner in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value)


def document(table):
    return "".join(f"{json.dumps(key)} = {toml(value)}\n" for key, value in table.items())


class Examples(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        if not harness.BIN:
            raise unittest.SkipTest("AGENTVM_BIN_DIR is not set")
        cls.sandbox = cls.enterClassContext(Sandbox())
        with open(PAGE, encoding="utf-8") as page:
            cls.blocks = BLOCK.findall(page.read())
        cls.hosts, cls.homes, cls.flakes, cls.profiles = [], [], [], []
        for kind, role, name, text in cls.blocks:
            if role in ("host", "home"):
                files = getattr(cls, role + "s")
                files.append(cls.sandbox.write(f"{role}/{len(files)}.nix", text))
            elif role == "flake":
                cls.flakes.append(os.path.dirname(cls.sandbox.write(f"flake{len(cls.flakes)}/flake.nix", text)))
            elif kind == "toml":
                cls.profiles.append(cls.sandbox.write(f"profiles/{name}.toml", text))
            elif role == "guest":
                cls.sandbox.write(f"profiles/{name}", text)
        cls.definitions = []
        for path in cls.profiles:
            directory = cls.sandbox.path("definitions", os.path.basename(path)[:-5])
            run = cls.sandbox.run("definition", "--profile", path, "-o", directory, cwd=cls.sandbox.workspace)
            assert run.code == 0, f"{path}: {run}"
            cls.definitions.append(directory)

    def flake_directories(self, configuration, hardware):
        """The flakes of the page and the template, with a machine of the test's."""
        for directory in self.flakes:
            with open(os.path.join(directory, "configuration.nix"), "w", encoding="utf-8") as file:
                file.write(configuration)
        template = self.sandbox.path("template")
        shutil.copytree(os.path.join(harness.SOURCE, "templates", "nixos"), template, dirs_exist_ok=True)
        if hardware is not None:
            self.sandbox.write("template/hardware.nix", hardware)
        return [*self.flakes, template]

    def check(self, came_to, homes):
        """What the page says of each, wherever it was evaluated."""
        for kind in ("definitions", "flakes", "hosts", "homes"):
            self.assertEqual([each["failed"] for each in came_to[kind]], [[]] * len(came_to[kind]), kind)
        for directory in self.definitions:
            with open(os.path.join(directory, "AGENTS.md"), encoding="utf-8") as guidance:
                self.assertIn("# Nix projects", guidance.read())
        with open(os.path.join(self.definitions[0], "codex.toml"), encoding="utf-8") as codex:
            self.assertIn("[mcp_servers.nixos]", codex.read())
        machines = dict(zip(map(os.path.basename, self.definitions), came_to["definitions"]))
        if machines:
            self.assertEqual(machines["configured"]["codex"], {
                "developer_instructions": "Run `nix flake check` before you say that you are done.", "model_reasoning_effort": "high"})
            self.assertIsNone(machines["tools"]["codex"])
            self.assertEqual({name for name, machine in machines.items() if not machine["agent"].endswith("/bin/codex")}, {"claude"})
            self.assertIn("claude", machines["claude"]["agent"])
        # The template's is the last.
        for name in ("agentvm", "codex"):
            self.assertTrue([package for package in came_to["flakes"][-1]["packages"] if package.startswith(name)], name)
        profiles, codex, *with_pools = came_to["hosts"]
        self.assertEqual(profiles["files"], ["agentvm/profiles/work.toml"])
        self.assertEqual(codex["files"], ["codex/config.toml"])
        self.assertEqual(codex["codex"]["web_search"], "disabled")
        server = codex["codex"]["mcp_servers"]["nixos"]
        self.assertEqual((sorted(server), server["startup_timeout_sec"]), (["command", "startup_timeout_sec"], 30))
        self.assertTrue(server["command"].endswith("/bin/mcp-nixos"))
        if with_pools:
            server, laptop = with_pools
            self.assertEqual({name: pool["size"] for name, pool in server["pools"]["pools"].items()}, {"work": 4})
            self.assertEqual((server["pools"]["vms_per_user"], server["slice"]), (8, {"MemoryMax": "96G"}))
            self.assertEqual(server["codex"]["model_reasoning_effort"], "high")
            self.assertRegex(server["profiles"]["work"]["guest"]["image"], r"\A/nix/store/\S+-agentvm-agentvm\Z")
            self.assertEqual(list(laptop["pools"]["pools"]), ["small"])
            self.assertEqual(list(laptop["vms"]), ["agentvm-vm-notes"])
        self.assertEqual(len(came_to["homes"]), homes)
        for home in came_to["homes"]:
            self.assertIn("agentvm/profiles/mine.toml", home["files"])
            self.assertEqual(home["settings"]["model_reasoning_effort"], "high")
            self.assertEqual(list(home["settings"]["mcp_servers"]["nixos"]), ["command"])
            self.assertIn("nixos server", home["context"])

    def evaluated_in_the_made_up_world(self):
        if nix.MISSING:
            self.skipTest(nix.MISSING)
        lists = {"definitions": self.definitions, "flakes": self.flake_directories("{ }\n", "{ }\n"), "hosts": self.hosts,
                 "homes": self.homes}
        given = {name: f"[ {' '.join(paths)} ]" for name, paths in lists.items()}
        return nix.evaluate("examples.nix", self.sandbox.path("home"), **given)

    def test_every_block_is_an_example(self):
        self.assertEqual({(kind, role or None) for kind, role, _, _ in self.blocks}, KINDS)
        verbs = self.sandbox.run("--help").stdout
        for kind, _, _, text in self.blocks:
            for verb in re.findall(r"^agentvm (\S+)", text if kind == "sh" else "", re.MULTILINE):
                self.assertRegex(verbs, rf"(?m)^  {verb}\b")

    def test_with_a_made_up_nixpkgs(self):
        self.check(self.evaluated_in_the_made_up_world(), homes=2)

    def test_the_program_takes_the_profiles(self):
        """And the script that looks at them when a system is built finds a mistake."""
        came_to = self.evaluated_in_the_made_up_world()
        sets = [each["profiles"] for each in came_to["hosts"] + came_to["homes"]]
        self.assertGreater(sum(map(len, sets)), 2)
        for profiles in sets:
            for name, profile in profiles.items():
                # A guest that nobody has built here; tests/vm/nix_guest_test.py boots one.
                profile.get("guest", {}).pop("image", None)
                path = self.sandbox.write(f"made/{name}.toml", document(profile))
                run = self.sandbox.run("profile", "check", path, cwd=self.sandbox.workspace)
                self.assertEqual(run.code, 0, run)
        script = came_to["hosts"][0]["script"]
        self.assertEqual(self.looked_at(script, came_to["hosts"][0]["profiles"]["work"]).returncode, 0)
        wrong = self.looked_at(script, {"extends": "rust", "machine": {"memroy": "8GiB"}})
        self.assertNotEqual(wrong.returncode, 0)
        self.assertIn("memroy", wrong.stderr)

    def looked_at(self, script, profile):
        """The script of the derivation, with what Nix would have put into the store."""
        self.count = getattr(self, "count", 0) + 1
        build = self.sandbox.path(f"build{self.count}")
        os.makedirs(build)
        file = self.sandbox.write(f"store{self.count}/work.toml", document(profile))
        script = re.sub(r"/nix/store/0+-work\.toml", file, script)
        script = re.sub(r"/nix/store/0+-agentvm-[\d.]+/bin/agentvm", harness.program("agentvm"), script)
        return subprocess.run(["bash", "-e", "-c", script], cwd=build, capture_output=True, text=True, check=False,
                              env={"PATH": os.environ["PATH"], "out": f"{build}/out"})

    def test_with_the_real_nixpkgs(self):
        if nixpkgs.missing():
            self.skipTest(nixpkgs.missing())
        for name, tree in (("AGENTVM_MICROVM", MICROVM), ("AGENTVM_HOME_MANAGER", HOME_MANAGER)):
            if not tree:
                print(f"{name} is not set: the examples that need it are left out")
        came_to = nixpkgs.evaluate("examples.nix", definitions=self.definitions, flakes=self.flake_directories(REAL_HOST, None),
                                   hosts=self.hosts if MICROVM else self.hosts[:2], homes=self.homes, microvm=MICROVM, homeManager=HOME_MANAGER)
        self.assertEqual(len(came_to["definitions"]), len(self.definitions) if MICROVM else 0)
        self.check(came_to, homes=1 if HOME_MANAGER else 0)


if __name__ == "__main__":
    harness.main()
