#!/usr/bin/env python3
# codex_layers_test.py - the real Codex reads what programs.codex of nixos-module writes, below what agentvm writes.
#
# /etc/codex/config.toml is put where it belongs in a mount namespace; Codex asks no model for what is looked at here.
import json
import os
import subprocess
import tempfile
import unittest

from codex_gateway_test import find_tool, skip

# As nixos-module/codex.nix has it; /etc says something of its own, and something that agentvm decides.
ETC = """\
model_provider = "of-etc"
developer_instructions = "guidance of /etc"
[mcp_servers.nixos]
command = "/of/etc"
startup_timeout_sec = 7
[mcp_servers.more]
command = "/of/etc"
"""
HOME = """\
model_provider = "agentvm"
[model_providers.agentvm]
name = "agentvm"
base_url = "http://127.0.0.1:9/v1"
wire_api = "responses"
[mcp_servers.nixos]
command = "/of/agentvm"
args = ["bridge"]
"""


def programs():
    """bubblewrap, and Codex as one program that needs nothing beside it."""
    codex = find_tool("codex", "codex", "node_modules", "@openai", "codex-linux-x64", "vendor", "x86_64-unknown-linux-musl", "bin",
                      "codex")
    with open(codex, "rb") as file:
        if file.read(4) != b"\x7fELF":
            skip(f"{codex} is not Codex's own program")
    return find_tool("bwrap"), os.path.realpath(codex)


class Layers(unittest.TestCase):
    def setUp(self):
        self.top = self.enterContext(tempfile.TemporaryDirectory(dir=os.path.expanduser("~")))
        for path, text in (("etc/config.toml", ETC), ("home/config.toml", HOME), ("home/AGENTS.md", "guidance of the home\n"),
                           ("project/AGENTS.md", "guidance of the project\n")):
            os.makedirs(os.path.dirname(os.path.join(self.top, path)), exist_ok=True)
            with open(os.path.join(self.top, path), "w", encoding="utf-8") as file:
                file.write(text)

    def run_codex(self, *words):
        within = [BWRAP, "--unshare-net", "--die-with-parent", "--ro-bind", "/usr", "/usr", "--proc", "/proc", "--dev", "/dev",
                  "--tmpfs", "/tmp", "--bind", f"{self.top}/etc", "/etc/codex", "--bind", f"{self.top}/home", "/home",
                  "--bind", f"{self.top}/project", "/project", "--ro-bind", CODEX, "/codex", "--chdir", "/project"]
        for name in ("bin", "lib", "lib64"):
            if os.path.islink(f"/{name}"):
                within += ["--symlink", os.readlink(f"/{name}"), f"/{name}"]
        done = subprocess.run([*within, "--clearenv", "--setenv", "HOME", "/home", "--setenv", "CODEX_HOME", "/home", "--setenv", "PATH",
                               "/usr/bin", "--", "/codex", *words], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=60, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_the_home_wins_key_by_key(self):
        server = json.loads(self.run_codex("mcp", "get", "nixos", "--json"))
        self.assertEqual((server["transport"]["command"], server["transport"]["args"]), ("/of/agentvm", ["bridge"]))
        self.assertEqual(server["startup_timeout_sec"], 7)
        self.assertEqual({one["name"] for one in json.loads(self.run_codex("mcp", "list", "--json"))}, {"nixos", "more"})

    def test_all_guidance_is_given(self):
        told = self.run_codex("debug", "prompt-input", "hello")
        for place in ("/etc", "the home", "the project"):
            self.assertIn(f"guidance of {place}", told)


if __name__ == "__main__":
    BWRAP, CODEX = programs()
    unittest.main(verbosity=2)
