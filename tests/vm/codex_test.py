# codex_test.py - the real Codex in a guest, a scripted model and the real mcp-nixos on the host.
import contextlib
import json
import os
import secrets
import unittest

import guest_memory
import harness
from harness import VmTestCase, wait_until
from scripted_model_process import ScriptedModel

PROFILE = """\
extends = "default"
[machine]
vcpus = 2
memory = "1536MiB"
disk = "512MiB"
"""
OWN_CONFIG = """\
model_provider = "theirs"
[model_providers.theirs]
name = "theirs"
base_url = "http://127.0.0.1:9/v1"
[mcp_servers.nixos]
command = "/bin/false"
enabled = false
"""


def needed(name):
    """Skips when a tool of this test is not there."""
    item = next((item for item in harness.doctor_items() if name in item["what"].lower()), None)
    if item is None or not item["good"]:
        raise unittest.SkipTest(f"{name} is not here")


def opened_for_writing(fifo):
    """The FIFO's end, None while nobody reads it."""
    with contextlib.suppress(OSError):
        return os.fdopen(os.open(fifo, os.O_WRONLY | os.O_NONBLOCK), "wb")
    return None


class Codex(VmTestCase):
    MACHINE = ()  # options that say who runs it
    VMM = "qemu-system"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for name in ("codex", "mcp-nixos"):
            needed(name)
        cls.sandbox.write_profile("agent", PROFILE)
        cls.key = "sk-" + secrets.token_hex(20)

    def run_options(self, model, *options):
        return ("run", "--profile", "agent", *self.MACHINE, "--upstream", model.upstream, *options, self.sandbox.workspace)

    def test_main_job(self):
        """Codex looks something up, is refused something, edits the source, runs the test; the key is never in the guest."""
        self.sandbox.write("ws/answer.py", "def answer():\n    return 41\n")
        self.sandbox.write("ws/check.py", "import answer\nassert answer.answer() == 42\nprint('check passed')\n")
        # Neither another model's endpoint nor another server by that name.
        self.sandbox.write("ws/.codex/config.toml", OWN_CONFIG)
        held = self.sandbox.path("held")
        os.mkfifo(held)
        turns = [
            {"say": [{"mcp": "nixos", "tool": "nix", "arguments": {"action": "search", "query": "ripgrep", "limit": 3}}]},
            {"say": [{"mcp": "nixos", "tool": "nix", "arguments": {"action": "store", "query": "/etc/passwd"}}]},
            {"say": [{"exec": "env; cat ~/.codex/config.toml", "yield_time_ms": 30000}]},
            # The agent waits for its model's next words meanwhile; a command of its own would be given up after 30 s.
            {"expect_contains": ["model_provider"], "expect_not_contains": [self.key], "hold": held,
             "say": [{"exec": "sed -i s/41/42/ answer.py && python3 check.py", "yield_time_ms": 30000}]},
            {"expect_contains": ["check passed"], "say": [{"message": "The answer is 42 now."}]},
        ]
        report_file = self.sandbox.path("report.json")
        with ScriptedModel(self.sandbox, turns, self.key) as model:
            running = self.sandbox.start(*self.run_options(model, "--name", "job", "--report", report_file), "--",
                                         "make", "the", "check", "pass", env={"OPENAI_API_KEY": self.key})
            release = wait_until(lambda: opened_for_writing(held) or running.process.poll() is not None, 120,
                                 "the agent to come to its fourth turn")
            if release is not True:
                self.addCleanup(release.close)
                self.look_for_the_key(self.sandbox.vm("job").wait_known())
                release.close()
            result = running.finish(120)
        self.assertEqual(model.verdict, "", result)
        self.assert_code(result, 0)
        with open(os.path.join(self.sandbox.workspace, "answer.py"), encoding="utf-8") as file:
            self.assertIn("42", file.read())
        self.assertIn("The answer is 42 now.", result.stdout)
        self.assertNotIn("Model metadata", result.stdout + result.stderr, "a model that this Codex does not know")
        self.check_requests(model)
        with open(report_file, encoding="utf-8") as file:
            text = file.read()
        self.assertNotIn(self.key, text + result.stdout + result.stderr)
        self.check_report(json.loads(text), result)
        self.sandbox.assert_nothing_left()

    def look_for_the_key(self, vm):
        """In all of the guest's memory, and in whatever else of the VM the guest might reach."""
        marker = secrets.token_hex(20)
        put = self.sandbox.run("exec", "job", "--", "sh", "-c", "cat > /tmp/marker; cat /tmp/marker", input=marker.encode())
        self.assertEqual(put.stdout, marker, put)
        vmm = vm.wait_for(self.VMM).pid
        self.assertGreater(guest_memory.search(vmm, marker.encode()), 0, "the search finds what is in the guest")
        self.assertEqual(guest_memory.search(vmm, self.key.encode()), 0, "the key is in the guest's memory")
        for process in vm.processes():
            if process.program not in ("agentvm", "agentvm-supervisor"):
                self.assertNotIn(self.key.encode(), process.environment, f"the key is in the environment of {process}")
        for directory, _, files in os.walk(vm.state_dir):
            for name in files:
                with open(os.path.join(directory, name), "rb") as file:
                    self.assertNotIn(self.key.encode(), file.read(), name)

    def check_requests(self, model):
        posts = [request for request in model.requests() if request["method"] == "POST"]
        self.assertEqual(len(posts), 5)
        for request in posts:
            self.assertEqual(request["headers"]["authorization"], f"Bearer {self.key}", "added on the host")
            self.assertEqual(request["path"], "/v1/responses")
        hosts = {request["headers"]["host"] for request in model.requests()}
        self.assertEqual(hosts, {model.upstream.removeprefix("http://").removesuffix("/v1")})

    def check_report(self, report, result):
        self.assertEqual([(call["server"], call["tool"], call["arguments"]["action"]) for call in report["mcp_calls"]],
                         [("nixos", "nix", "search"), ("nixos", "nix", "store")])
        answered, refused = report["mcp_calls"]
        self.assertEqual((answered["refused"], refused["refused"]), (False, True))
        self.assertTrue(answered["text"], "what mcp-nixos said, an error text where there is no network")
        self.assertEqual([request["status"] for request in report["model_requests"] if request["method"] == "POST"], [200] * 5)
        self.assertTrue(any("sed -i" in command for command in report["commands"]), report["commands"])
        self.assertIn(("answer.py", "M"), [(change["path"], change["kind"]) for change in report["files"]])
        for word in ("answer.py", "sed -i", "nixos", "refused", "model requests"):
            self.assertIn(word, result.stderr, "the report for people")

    def test_own_screen(self):
        """Without a prompt, on a terminal: Codex's own screen, its window size, and a way out."""
        turns = [{"say": [{"message": "hello from the script"}]}]
        with ScriptedModel(self.sandbox, turns, self.key) as model:
            with self.sandbox.terminal(*self.run_options(model, "--name", "screen"), env={"OPENAI_API_KEY": self.key},
                                       rows=40, columns=120) as terminal:
                terminal.expect(r"OpenAI Codex|Codex", 90)
                size = self.sandbox.run("exec", "screen", "--", "sh", "-c",
                                        "stty size < /proc/$(pgrep -u agent -n codex)/fd/0")
                self.assertEqual(size.stdout, "40 120\n", size)
                # What is typed while it loads is dropped, and an Enter that comes as fast as a paste is part of the text.
                terminal.expect("Ask Codex", 90)
                terminal.send("say hello")
                terminal.expect("YOLO mode")  # full autonomy, and the end of loading
                terminal.send("\r")
                terminal.expect("hello.{1,20}from.{1,20}the.{1,20}script")  # it skips over blanks
                terminal.expect("Worked")
                terminal.send("\x03")
                self.assertEqual(terminal.finish(60), 0)
        self.assertEqual(model.verdict, "")
        self.sandbox.assert_nothing_left()

    def test_model_that_is_not_there(self):
        """Codex's own failure comes through as its exit code, in bounded time."""
        run = self.sandbox.run("run", "--profile", "agent", "--upstream", "http://127.0.0.1:9/v1", "--timeout", "30s",
                               self.sandbox.workspace, "--", "hello", env={"OPENAI_API_KEY": self.key}, limit=120)
        self.assertNotEqual(run.code, 0, run)
        self.sandbox.assert_nothing_left()


if __name__ == "__main__":
    harness.main()
