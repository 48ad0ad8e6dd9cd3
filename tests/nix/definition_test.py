# definition_test.py - definitions as Nix sees them: they evaluate against the options' types, and a wrong one does not.
import json
import os
import random
import shutil
import subprocess
import tomllib
import unittest

import harness
import mistakes
import nix
from harness import Sandbox

BUILT_IN = ("default", "rust", "python", "node", "go", "cpp", "nix")
DATA = os.path.join(harness.SOURCE, "tests", "unit", "vmspec", "data")

# Texts that end strings, begin interpolations, escape escapes or drive a terminal; each would be noticed if it were evaluated.
NASTY = ('"', "''", "\\", '\\"', "$", "${", '${throw "evaluated"}', '$${throw "evaluated"}', '\\${throw "evaluated"}', "$\\{x}", "}",
         "#", "/*", "*/", ";", "\n", "\r", "\r\n", "\t", "\x1b[2J", "\x07", "\x7f", "\x01", "ä", "λ", "🦀", "a", " ", "''${x}", "''\\n")


def toml(text):
    """A TOML basic string."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def keys(table, prefix=""):
    """Dotted keys of a TOML document with their values; tables of free names are one key."""
    for name, value in table.items():
        key = f"{prefix}{name}"
        if isinstance(value, dict) and key not in ("agent.env", "model.key", "mcp.nixos", "mcp.files"):
            yield from keys(value, key + ".")
        else:
            yield key, value


class NixTestCase(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        if nix.MISSING:
            raise unittest.SkipTest(nix.MISSING)
        if not harness.BIN:
            raise unittest.SkipTest("AGENTVM_BIN_DIR is not set")
        cls.sandbox = cls.enterClassContext(Sandbox())
        cls.home = cls.sandbox.path("home")
        cls.count = 0

    def write(self, *words):
        """A definition on disk; what agentvm said when there is none."""
        type(self).count += 1
        directory = self.sandbox.path("definitions", str(self.count))
        return directory, self.sandbox.run("definition", "-o", directory, *words, cwd=self.sandbox.workspace)

    def write_profile(self, text):
        return self.write("--profile", self.sandbox.write(f"profiles/{self.count}.toml", text))

    def evaluate(self, directory, **more):
        return nix.evaluate("definition.nix", self.home, directory=directory, **more)

    def evaluated(self, *words):
        directory, run = self.write(*words)
        self.assertEqual(run.code, 0, run)
        return self.evaluate(directory)

    def evaluated_profile(self, text):
        directory, run = self.write_profile(text)
        self.assertEqual(run.code, 0, run)
        return self.evaluate(directory)


class Definitions(NixTestCase):
    def test_every_built_in_profile(self):
        for name in BUILT_IN:
            with self.subTest(name=name):
                machine = self.evaluated("--profile", name)
                self.assertEqual(machine["name"], name)
                config = machine["config"]
                self.assertEqual(config["refused"], [])
                self.assertEqual(config["networking"]["hostName"], name)
                microvm = config["microvm"]
                self.assertEqual((microvm["hypervisor"], microvm["vcpu"], microvm["mem"]), ("cloud-hypervisor", 8, 4096))
                self.assertEqual([(share["tag"], share["source"], share.get("readOnly", False)) for share in microvm["shares"]],
                                 [("ro-store", "/nix/store", True), ("workspace", "workspace/.", False)])
                self.assertEqual(microvm["writableStoreOverlay"], "/nix/.rw-store")
                self.assertIsNone(microvm["machineId"], "not of the host name, which all its VMs share")
                self.assertIn("boot.panic_on_fail", microvm["kernelParams"])
                self.assertEqual(machine["manifest"]["tools"]["agent"].rsplit("/", 1)[1], "codex")

    def test_what_agentvm_reads(self):
        machine = self.evaluated("--profile", "rust")
        self.assertEqual(machine["image"], {"name": "agentvm-rust", "files": ["manifest.json", "runner"],
                                            "manifest": machine["manifest"]})
        manifest = machine["manifest"]
        self.assertEqual(manifest["version"], 1)
        self.assertTrue(manifest["kernel"]["elf"].endswith("/vmlinux"))
        self.assertTrue(manifest["kernel"]["image"].endswith("-linux/bzImage"))
        self.assertEqual(manifest["path"].split(":")[:2], ["/run/wrappers/bin", "/home/agent/.nix-profile/bin"])
        self.assertTrue(manifest["init"].endswith("/init"))
        self.assertIn(f"init={manifest['init']}", manifest["kernel_params"])
        self.assertEqual(manifest["store"], {"kind": "share", "disk": None, "writable": True})
        service = machine["config"]["systemd"]["services"]["agentvm-guest"]
        self.assertTrue(service["serviceConfig"]["ExecStart"].endswith("/bin/agentvm-guest serve"))
        self.assertEqual(service["unitConfig"]["WantsMountsFor"], '"/workspace"')
        rules = "\n".join(machine["config"]["systemd"]["tmpfiles"]["rules"])
        for path in ("/home/agent/.codex/config.toml", "/home/agent/.codex/AGENTS.md", "/run/agentvm/agentvm-guest"):
            self.assertIn(path, rules)

    def test_the_agent_is_root_when_it_wants(self):
        config = self.evaluated("--profile", "rust")["config"]
        rule, = config["security"]["sudo"]["extraRules"]
        self.assertEqual((rule["users"], rule["commands"][0]["command"]), (["agent"], "ALL"))
        self.assertIn("NOPASSWD", rule["commands"][0]["options"])
        self.assertIn("wheel", config["users"]["users"]["agent"]["extraGroups"])

    def test_git_knows_the_caller(self):
        """NixOS writes the sections by name, so that what a module says of `user` comes after the include."""
        sections, = self.evaluated("--profile", "rust")["config"]["programs"]["git"]["config"]
        self.assertEqual(sections, {"include": {"path": "/run/agentvm/gitconfig"}, "safe": {"directory": "*"}})

    def test_what_a_machine_without_a_person_needs(self):
        config = self.evaluated("--profile", "rust")["config"]
        self.assertIn("virtio_net", config["boot"]["initrd"]["kernelModules"])
        self.assertFalse(config["networking"]["usePredictableInterfaceNames"])
        self.assertIn("boot.panic_on_fail", config["boot"]["kernelParams"])
        self.assertEqual(config["services"]["journald"]["storage"], "volatile")
        services = config["systemd"]["services"]
        self.assertEqual([services[name]["enable"] for name in ("getty@tty1", "autovt@tty1")], [False, False])
        self.assertEqual(config["fileSystems"]["/workspace"]["options"],
                         ["defaults", "x-systemd.after=systemd-modules-load.service", "nofail", "nosuid", "nodev"])

    def test_any_directory_can_be_the_workspace(self):
        for mount in ("/wörk", "/a b/c", "/-x/.y", "/100%"):
            with self.subTest(mount=mount):
                config = self.evaluated_profile(f"workspace.mount = {toml(mount)}\n")["config"]
                self.assertEqual(config["refused"], [])
                wanted = config["systemd"]["services"]["agentvm-guest"]["unitConfig"]["WantsMountsFor"]
                self.assertEqual(json.loads(wanted.replace("%%", "%")), mount)

    def test_a_profile_called_localhost(self):
        machine = self.evaluated("--profile", self.sandbox.write("profiles/localhost.toml", "description = \"x\"\n"))
        self.assertEqual(machine["config"]["refused"], [])
        self.assertEqual(machine["config"]["networking"]["hostName"], "localhost-vm")

    def test_an_account_of_the_system_is_refused_at_once(self):
        for user in ("sshd", "postgres", "keys", "messagebus", "nixbld1", "systemd-oom"):
            with self.subTest(user=user):
                _, run = self.write_profile(f"guest.user = {toml(user)}\n")
                self.assertEqual(run.code, 2, run)
                self.assertIn("guest.user", run.stderr)

    def test_an_old_nixpkgs_is_named_as_such(self):
        directory, run = self.write("--profile", "rust")
        self.assertEqual(run.code, 0, run)
        with self.assertRaises(nix.Refused) as refused:
            self.evaluate(directory, release='"24.11"')
        self.assertIn("needs NixOS 26.05 or newer, and this nixpkgs is of 24.11", str(refused.exception))
        self.evaluate(directory, release='"26.05"')

    def test_networkd_leaves_the_card_to_agentvm(self):
        directory, written = self.write("--profile", "rust", "--egress", "nat")
        self.assertEqual(written.code, 0, written)
        networks = self.evaluate(directory)["config"]["systemd"]["network"]["networks"]
        matching = {name: unit for name, unit in networks.items() if unit["matchConfig"]["KernelCommandLine"] == "agentvm.transport"}
        self.assertEqual([unit["linkConfig"] for unit in matching.values()], [{"Unmanaged": True}])
        # networkd takes the first file that matches, by name; NixOS has its own for any card.
        self.assertLess(max(networks), "99-ethernet-default-dhcp")
        self.assertEqual({unit["matchConfig"]["Type"] for unit in networks.values()}, {"ether"})

    def test_the_golden_ones(self):
        for case in ("rust", "everything", "closure-command", "claude", "hostile"):
            with self.subTest(case=case):
                profile = f"{DATA}/nix-{case}/profile.toml"
                if case == "everything":
                    text = harness_read(profile).replace("/etc/agentvm/Our Tools.nix", self.sandbox.write("Our Tools.nix", "{ }\n"))
                    self.sandbox.write("everything/extra.nix", "{ boot.kernelParams = [ \"from-a-module\" ]; }\n")
                    profile = self.sandbox.write("everything/profile.toml", text)
                machine = self.evaluated("--profile", profile)
                self.assertEqual(machine["config"]["refused"], [])
                self.assertEqual(machine["description"], tomllib.loads(harness_read(profile)).get("description", "Rust projects"))
                microvm = machine["config"]["microvm"]
                if case == "everything":
                    self.assertEqual((microvm["vcpu"], microvm["mem"]), (3, 977))
                    self.assertIn("from-a-module", machine["config"]["boot"]["kernelParams"])
                    self.assertEqual(machine["inputs"]["agent-flake"]["url"], "github:openai/codex/rust-v0.169.0")
                    self.assertEqual(machine["config"]["users"]["users"]["dev"]["uid"], 1000)
                if case == "closure-command":
                    self.assertEqual([share["tag"] for share in microvm["shares"]], ["workspace"])
                    self.assertTrue(microvm["shares"][0]["readOnly"])
                    self.assertIsNone(microvm["writableStoreOverlay"])
                    self.assertEqual(machine["manifest"]["store"]["kind"], "disk")
                    self.assertIsNone(machine["manifest"]["tools"]["agent"])
                if case == "claude":
                    self.assertEqual(microvm["interfaces"], [])
                    self.assertTrue(machine["manifest"]["tools"]["agent"].endswith("/claude"))

    def test_the_one_with_every_key_has_every_key(self):
        mine = dict(keys(tomllib.loads(harness_read(f"{DATA}/nix-everything/profile.toml"))))
        shown = dict(keys(tomllib.loads(self.sandbox.run("profile", "show", "default").stdout)))
        self.assertEqual(set(shown) - set(mine), set())

    def test_nix_takes_it_as_a_flake(self):
        os.makedirs(self.sandbox.path("empty"), exist_ok=True)
        self.sandbox.write("empty/flake.nix", "{ outputs = _: { }; }\n")
        for words in (("--profile", "rust"), ("--profile", f"{DATA}/nix-hostile/profile.toml"), ("--agent", "claude")):
            with self.subTest(words=words):
                directory, run = self.write(*words)
                self.assertEqual(run.code, 0, run)
                names = self.evaluate(directory)["inputs"]
                lock = nix.lock(directory, {name: self.sandbox.path("empty") for name in names}, self.home)
                self.assertEqual(set(lock["nodes"]["root"]["inputs"]), set(names))


class Strings(NixTestCase):
    def test_every_string_key(self):
        """Each is refused by name, or ends up as itself and is never evaluated."""
        shown = dict(keys(tomllib.loads(self.sandbox.run("profile", "show", "default").stdout)))
        texts = [key for key, value in shown.items() if isinstance(value, str)]
        lists = [key for key, value in shown.items() if isinstance(value, list)]
        self.assertGreater(len(texts), 12)
        self.assertGreater(len(lists), 8)
        hard = ('x"y', 'x${throw "evaluated"}y', "x\ny", "x\0y", "x''${y}", "x\\", "x" * 10000, "/x y\"${throw \"evaluated\"}")
        taken = 0
        for key in texts + lists + ["agent.env.X", "model.key.env", "mcp.nixos.command"]:
            for text in hard:
                with self.subTest(key=key, text=text[:40]):
                    value = f"[{toml(text)}]" if key in lists or key.endswith(".command") else toml(text)
                    extra = 'agent.command = ["true"]\n' if key == "agent.kind" else ""
                    directory, run = self.write_profile(f"{key} = {value}\n{extra}")
                    if run.code != 0:
                        self.assertEqual(run.code, 2, run)
                        self.assertIn(key.split(".")[0], run.stderr)
                        continue
                    taken += 1
                    machine = self.evaluate(directory)
                    if key == "description":
                        self.assertEqual(machine["description"], text)
                    if key == "workspace.mount":
                        self.assertEqual(machine["manifest"]["workspace"], text)
        self.assertGreater(taken, 30, "nearly everything was refused: nothing was tried")

    def shell_environment(self, machine, names):
        """What a login shell has, after the real bash has read the module's lines."""
        script = machine["config"]["environment"]["loginShellInit"] + 'for name in "$@"; do printf "%s\\0" "${!name}"; done\n'
        shown = subprocess.run(["bash", "--norc", "-c", script, "bash", *names], stdout=subprocess.PIPE, check=True, timeout=60,
                               env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8"})
        return shown.stdout.decode().split("\0")[:-1]

    def test_ten_kilobytes(self):
        long = "".join(NASTY) * 200
        self.assertGreater(len(long), 10000)
        machine = self.evaluated_profile(f"agent.env.LONG = {toml(long)}\n")
        self.assertEqual(self.shell_environment(machine, ["LONG"]), [long])

    def test_a_nul_byte_is_refused(self):
        _, run = self.write_profile('agent.env.X = "a\\u0000b"\n')
        self.assertEqual(run.code, 2, run)
        self.assertIn("agent.env.X", run.stderr)

    def test_random_strings_come_out_as_they_went_in(self):
        """Ten files of a hundred strings, made of what Nix gives a meaning to, and the same ones every time."""
        source = random.Random(20261124)
        for round_number in range(10):
            values = {f"V{number}": "".join(source.choices(NASTY, k=source.randrange(1, 25))) for number in range(100)}
            profile = "[agent.env]\n" + "".join(f"{name} = {toml(value)}\n" for name, value in values.items())
            with self.subTest(round_number=round_number):
                directory, run = self.write_profile(profile)
                self.assertEqual(run.code, 0, run)
                nix.parse(f"{directory}/vm.nix", self.home)
                text = harness_read(f"{directory}/vm.nix")
                self.assertNotRegex(text, r"[\x00-\x09\x0b-\x1f\x7f]", "nothing that drives a terminal")
                self.assertEqual(self.shell_environment(self.evaluate(directory), values), list(values.values()))

    def test_random_package_names_are_refused_or_parse(self):
        source = random.Random(7)
        letters = "abcXYZ019-_.+' \"$\\{}"
        taken = 0
        for _ in range(60):
            name = "".join(source.choices(letters, weights=[3] * 14 + [1] * (len(letters) - 14), k=source.randrange(1, 12)))
            directory, run = self.write_profile(f"guest.packages = [{toml(name)}]\n")
            if run.code == 0:
                taken += 1
                nix.parse(f"{directory}/vm.nix", self.home)
        self.assertGreater(taken, 5)


class Mistakes(NixTestCase):
    """The made-up world notices what the real one would: a test of the tests."""

    def refused(self, file, old, new):
        directory, run = self.write("--profile", "rust")
        self.assertEqual(run.code, 0, run)
        mistakes.make(directory, file, old, new)
        try:
            machine = self.evaluate(directory)
        except nix.Refused as error:
            return str(error)
        return "\n".join(machine["config"]["refused"])

    def test_wrong_definitions(self):
        for file, old, new, told in mistakes.MISTAKES:
            with self.subTest(new=new):
                self.assertIn(told, self.refused(file, old, new))


def harness_read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


if __name__ == "__main__":
    harness.main()
