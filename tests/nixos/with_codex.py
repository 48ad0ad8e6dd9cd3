# with_codex.py - a guest whose agent is Codex of the definition, with a scripted model and the real mcp-nixos on the host.
import contextlib
import secrets
import unittest

import harness
from boots import events
from checks import Checks
from in_qemu import InQemu
from patience import wait_until
from scripted_model_process import ScriptedModel


class WithCodex(Checks, InQemu):
    STORE, EGRESS, NAME = "host", "none", "codex"
    COMMAND = ("--", "look around")
    TURNS = (
        {"say": [{"mcp": "nixos", "tool": "nix", "arguments": {"action": "search", "query": "ripgrep", "limit": 3}}]},
        {"say": [{"mcp": "nixos", "tool": "nix", "arguments": {"action": "store", "query": "/etc/passwd"}}]},
        {"say": [{"exec": "id -un; pwd; sudo -n id -u; cat ~/.codex/AGENTS.md; echo 42 >answer", "yield_time_ms": 30000}]},
        {"expect_contains": ["agent", "/workspace", "The system is NixOS"], "say": [{"message": "It is NixOS."}]})

    @classmethod
    def prepare(cls):
        super().prepare()
        for name in ("codex", "mcp-nixos"):
            if not next(item["good"] for item in harness.doctor_items() if name in item["what"].lower()):
                raise unittest.SkipTest(f"{name} is not here")
        cls.key = "sk-" + secrets.token_hex(20)
        cls.served = cls.enterClassContext(contextlib.ExitStack())
        cls.model = cls.served.enter_context(ScriptedModel(cls.sandbox, cls.TURNS, cls.key))
        cls.OPTIONS = ("--upstream", cls.model.upstream)

    @classmethod
    def environment(cls):
        return {"OPENAI_API_KEY": cls.key}

    def test_a_first_thing_the_agent_has_done(self):
        (ended,) = wait_until(lambda: events(self.vm, "agent-ended"), 180, "Codex to end")
        self.served.close()
        told = self.sandbox.run("logs", self.NAME)
        self.assertEqual((self.model.verdict, ended["exit_code"]), ("", 0), told)
        self.assertIn("It is NixOS.", told.stdout, told)
        with open(f"{self.workspace}/answer", encoding="utf-8") as file:
            self.assertEqual(file.read(), "42\n")
        calls = events(self.vm, "mcp-call")
        self.assertEqual([(call["server"], call["arguments"]["action"], call["refused"]) for call in calls],
                         [("nixos", "search", False), ("nixos", "store", True)], calls)
        self.assertTrue(calls[0]["text"], "what mcp-nixos said, an error text where there is no network")
        searched = self.exec("sudo", "-n", "grep", "-rqsF", self.key, "/home", "/run/agentvm", "/tmp")
        self.assertEqual(searched.code, 1, "the key is in the guest")

    def test_z_stopped(self):
        beside = self.vital_signs()
        stopped = self.sandbox.run("stop", self.NAME)
        self.assertEqual(stopped.code, 0, stopped)
        self.assertEqual(self.vm.processes(), [])
        self.assertIn("It is NixOS.", self.sandbox.run("logs", self.NAME).stdout, "kept to be read")
        self.assertEqual(self.sandbox.run("destroy", self.NAME).code, 0)
        self.assert_gone()
        self.assertEqual(self.vital_signs(), beside)
