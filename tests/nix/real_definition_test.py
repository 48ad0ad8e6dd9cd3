# real_definition_test.py - definitions in the real NixOS and microvm.nix: every built-in profile, and all kinds of others.
import unittest

import harness
import mistakes
import real
from harness import Sandbox

BUILT_IN = ("default", "rust", "python", "node", "go", "cpp", "nix")
DOCKER = "{ virtualisation.docker.enable = true; users.users.agent.extraGroups = [ \"docker\" ]; }\n"
QEMU = "{ lib, ... }: { microvm.hypervisor = lib.mkForce \"qemu\"; }\n"
OWN_GIT = "{ programs.git.config.user.name = \"Module\"; services.openssh.enable = true; networking.firewall.enable = true; }\n"
HOME_MANAGER = """\
{{ imports = [ {tree}/nixos ]; home-manager.users.agent = {{ home.stateVersion = "26.05"; programs.bash.enable = true; }}; }}
"""
# Each a profile's text; what it is about is in the name.
VARIANTS = {
    "qemu": 'machine.hypervisor = "qemu"',
    "store-disk": 'store.share = "closure"',
    "store-read-only": "store.writable = false",
    "nothing-of-the-host": 'store = { share = "closure", writable = false }\nworkspace.mode = "read-only"\nnetwork.egress = "none"',
    "other-user": 'guest.user = "dev"\nworkspace.mount = "/home/dev/app"',
    "odd-mount": 'workspace.mount = "/wörk/a b/-x/.y/100%"',
    "nat": 'network.egress = "nat"',
    "small": 'machine = { vcpus = 1, memory = "256MiB", disk = "64MiB" }',
    "large": 'machine = { vcpus = 64, memory = "200GiB", disk = "1TiB" }',
    "devshell": "guest.devshell = true",
    "packages": 'guest.packages = ["python3Packages.numpy", "_7zz", "ripgrep", "gdb", "llvmPackages_latest.clang"]',
    "localhost": 'description = "a name that is taken"',
    "command": 'agent = { kind = "command", command = ["make"] }',
    "agent-of-nixpkgs": 'agent.package = "nix:nixpkgs#codex"',
    "agent-of-a-flake": 'agent.package = "nix:github:openai/codex/rust-v0.169.0#codex"',
    "other-nixpkgs": 'guest.nixpkgs = "github:NixOS/nixpkgs/nixos-26.05"',
    "docker": 'guest.modules = ["./docker.nix"]',
    "qemu-by-module": 'guest.modules = ["./qemu.nix"]\nnetwork.egress = "none"',
    "own-git": 'guest.modules = ["./own-git.nix"]',
}


class RealDefinitions(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        if real.MISSING:
            raise unittest.SkipTest(real.MISSING)
        if not harness.BIN:
            raise unittest.SkipTest("AGENTVM_BIN_DIR is not set")
        cls.sandbox = cls.enterClassContext(Sandbox())
        cls.written = 0
        cls.home = cls.sandbox.path("home")
        for name, text in (("docker", DOCKER), ("qemu", QEMU), ("own-git", OWN_GIT)):
            cls.sandbox.write(f"profiles/{name}.nix", text)

    def define(self, name, profile):
        type(self).written += 1
        directory = self.sandbox.path("definitions", f"{self.written}-{name}")
        run = self.sandbox.run("definition", "-o", directory, "--profile", profile, cwd=self.sandbox.workspace)
        self.assertEqual(run.code, 0, run)
        return directory

    def define_text(self, name, text):
        return self.define(name, self.sandbox.write(f"profiles/{name}.toml", text + "\n"))

    def evaluated(self, cases, **request):
        """Each machine by name; those that fail are failures of this test, each with its own words."""
        machines = real.evaluate_each("real_definitions.nix", self.home, cases, **request)
        for name, machine in machines.items():
            with self.subTest(name=name):
                if isinstance(machine, real.Refused):
                    self.fail(str(machine))
                self.assertEqual(machine["failed"], [], "assertions")
                self.assertEqual(machine["warnings"], [])
                for build in ("toplevel", "image", "runner"):
                    self.assertRegex(machine[build], r"\A/nix/store/[0-9a-z]{32}-.+\.drv\Z")
        return {name: machine for name, machine in machines.items() if not isinstance(machine, real.Refused)}

    def refused(self, text, **request):
        directory = self.define_text("refused", text)
        machine = real.evaluate_each("real_definitions.nix", self.home, {"refused": directory}, **request)["refused"]
        return str(machine) if isinstance(machine, real.Refused) else "\n".join(machine["failed"])

    def test_every_built_in_profile(self):
        machines = self.evaluated({name: self.define(name, name) for name in BUILT_IN})
        self.assertEqual(set(machines), set(BUILT_IN))
        for name, machine in machines.items():
            with self.subTest(name=name):
                self.assertEqual((machine["hostName"], machine["hypervisor"]), (name, "cloud-hypervisor"))
                manifest = machine["manifest"]
                self.assertTrue(manifest["kernel"]["elf"].endswith("-dev/vmlinux"), manifest)
                self.assertTrue(manifest["kernel"]["image"].endswith("/bzImage"), manifest)
                self.assertIn(f"init={manifest['init']}", manifest["kernel_params"])
                for word in ("boot.panic_on_fail", "quiet"):
                    self.assertIn(word, manifest["kernel_params"])
                self.assertNotIn("systemd.machine_id", " ".join(manifest["kernel_params"]), "agentvm says it, for each VM")
                self.assertEqual(machine["mounts"]["/workspace"]["options"],
                                 ["defaults", "x-systemd.after=systemd-modules-load.service", "nofail", "nosuid", "nodev"])
                self.assertIn("ConditionKernelCommandLine=agentvm.transport", machine["service"])
                self.assertIn('WantsMountsFor="/workspace"', machine["service"])
                self.assertIn("virtio_net", machine["initrdModules"])
                self.assertEqual(len(machine["masked"]), 2, machine["masked"])
                self.assertIn("path = \"/run/agentvm/gitconfig\"", machine["gitconfig"])
                self.assertRegex(machine["sudoers"], r"(?m)^agent +ALL=\(ALL:ALL\) +NOPASSWD:SETENV: ALL$")

    def test_variants(self):
        machines = self.evaluated({name: self.define_text(name, text) for name, text in VARIANTS.items()})
        self.assertEqual(set(machines), set(VARIANTS))
        seen = machines.get
        self.assertEqual(seen("store-disk")["manifest"]["store"]["kind"], "disk")
        self.assertRegex(seen("store-disk")["manifest"]["store"]["disk"], r"\A/nix/store/.*erofs\Z")
        self.assertNotIn("/nix/.ro-store", {mount for mount, how in seen("store-read-only")["mounts"].items() if how["fsType"] == "overlay"})
        self.assertFalse(seen("store-read-only")["manifest"]["store"]["writable"])
        self.assertEqual(seen("nothing-of-the-host")["manifest"]["store"]["kind"], "disk")
        self.assertEqual(seen("other-user")["user"]["home"], "/home/dev")
        self.assertLessEqual({"nofail", "nosuid", "nodev"}, set(seen("odd-mount")["mounts"]["/wörk/a b/-x/.y/100%"]["options"]))
        self.assertIn("100%%", seen("odd-mount")["service"])
        self.assertEqual(seen("localhost")["hostName"], "localhost-vm")
        self.assertIsNone(seen("command")["manifest"]["tools"]["agent"])
        self.assertTrue(seen("agent-of-nixpkgs")["manifest"]["tools"]["agent"].endswith("/bin/codex"))
        self.assertIn("docker", seen("docker")["user"]["extraGroups"])
        self.assertEqual(seen("qemu-by-module")["hypervisor"], "qemu")
        self.assertIn("name = \"Module\"", seen("own-git")["gitconfig"])
        for part in ("numpy", "7zz", "ripgrep", "gdb", "clang"):
            self.assertTrue(any(part in package for package in seen("packages")["packages"]), part)

    def test_what_belongs_to_one_vm_is_in_no_closure(self):
        """Size, network and workspace's directory are the launcher's: machines that differ in them alone are one system."""
        texts = {"small-one": 'machine = { vcpus = 1, memory = "512MiB" }', "large-one": 'machine = { vcpus = 9, memory = "9GiB" }'}
        cases = {}
        for name, text in texts.items():
            # One name, since a host's name is a part of its system.
            cases[name] = self.define(name, self.sandbox.write(f"profiles/{name}/same.toml", text + "\nnetwork.egress = \"none\"\n"))
        small, large = self.evaluated(cases).values()
        self.assertEqual(small["toplevel"], large["toplevel"])
        self.assertNotEqual(small["runner"], large["runner"])

    def test_codex_of_codex_cli_nix(self):
        lacking = real.missing_trees("codex-cli-nix", "flake-utils", "systems")
        if lacking:
            self.skipTest(lacking)
        machines = self.evaluated({name: self.define_text(f"codex-{name}", f'agent.package = "nix:{package}"') for name, package in (
            ("default", "codex-cli-nix"), ("node", "codex-cli-nix#codex-node"))})
        self.assertRegex(machines["default"]["manifest"]["tools"]["agent"], r"-codex-[0-9.]+/bin/codex\Z")
        self.assertRegex(machines["node"]["manifest"]["tools"]["agent"], r"/bin/codex(-node)?\Z")

    def test_agents_of_llm_agents(self):
        lacking = real.missing_trees("llm-agents", "blueprint", "systems")
        if lacking:
            self.skipTest(lacking)
        machines = self.evaluated({kind: self.define_text(kind, f'agent.kind = "{kind}"') for kind in ("claude", "gemini", "opencode")})
        for kind, machine in machines.items():
            self.assertTrue(machine["manifest"]["tools"]["agent"].endswith(f"/bin/{kind}"), machine["manifest"])

    def test_a_home_of_home_manager(self):
        lacking = real.missing_trees("home-manager")
        if lacking:
            self.skipTest(lacking)
        self.sandbox.write("profiles/home.nix", HOME_MANAGER.format(tree=real.TREES["home-manager"]))
        self.evaluated({"home": self.define_text("home", 'guest.modules = ["./home.nix"]')})

    def test_an_old_nixpkgs_is_named_as_such(self):
        told = self.refused('description = "x"', release="26.04")
        self.assertIn("agentvm's guest needs NixOS 26.05 or newer, and this nixpkgs is of 26.04: set guest.nixpkgs", told)

    def test_the_set_notices_what_nixpkgs_has_not(self):
        for module, word in (
                ("{ pkgs, ... }: { environment.etc.x.text = pkgs.stdenv.hostPlatform.linux-kernel.target; }", "linux-kernel"),
                ('{ networking.hosts."127.0.0.3" = [ "localhost" ]; }', "localhost"),
                ("{ nix.settings.auto-optimise-store = true; }", "auto-optimise-store"),
                ("{ systemd.services.x.after = [ \"ä.mount\" ]; }", "ä.mount"),
                ("{ microvm.vcpus = 3; }", "microvm.vcpus"),
        ):
            with self.subTest(module=module):
                self.sandbox.write("profiles/wrong.nix", module + "\n")
                self.assertIn(word, self.refused('guest.modules = ["./wrong.nix"]'))

    def test_what_the_made_up_world_refuses(self):
        cases = {"as it is": self.define("rust", "rust")}
        for file, old, new, _ in mistakes.MISTAKES:
            if new not in mistakes.MADE_UP_ALONE:
                cases[f"{old} -> {new}"] = self.define("rust", "rust")
                mistakes.make(cases[f"{old} -> {new}"], file, old, new)
        self.assertGreater(len(cases), 20)
        taken, _ = real.evaluate("real_mistakes.nix", self.home, cases=cases)
        self.assertEqual([name for name, is_taken in taken.items() if is_taken], ["as it is"])


if __name__ == "__main__":
    harness.main()
