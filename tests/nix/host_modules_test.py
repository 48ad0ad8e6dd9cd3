# host_modules_test.py - what the modules for hosts and homes say of a mistake, and what they do without Home Manager's Codex.
import unittest

import harness
import nix
from harness import Sandbox

# A module, and the words of the one thing that is wrong with it.
WRONG = (
    ('programs.codex.mcpServers.a = { command = "x"; url = "https://y"; };', 'programs.codex.mcpServers.a must have either'),
    ("programs.codex.mcpServers.b = { };", "programs.codex.mcpServers.b must have either"),
    ('programs.codex.context = "a"; programs.codex.settings.developer_instructions = "b";', "becomes developer_instructions"),
    ('programs.codex.context = "/nix/store/x-AGENTS.md";', "a string with the path of a file"),
    ('programs.codex.settings.mcp_servers.x.command = "y"; programs.codex.mcpServers.z.command = "z";', "both set"),
    ('programs.agentvm.profiles.".x".extends = "rust";', "must not be empty, start with '.'"),
    ('programs.agentvm.profiles."a/b".extends = "rust";', "or contain '/'"),
    ('services.agentvm.bridge.name = "a bridge";', "services.agentvm.bridge.name is"),
    ('services.agentvm.bridge.subnet = "8.8.8.0/24";', "services.agentvm.bridge.subnet is"),
)
ON = "programs.agentvm.enable = true; programs.codex.enable = true; services.agentvm.enable = true;"


class HostModules(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        if nix.MISSING:
            self.skipTest(nix.MISSING)
        self.sandbox = self.enterContext(Sandbox())

    def evaluate(self, kind, *modules):
        files = [self.sandbox.write(f"{kind}/{number}.nix", text) for number, text in enumerate(modules)]
        return nix.evaluate("examples.nix", self.sandbox.path("home"), **{kind: f"[ {' '.join(files)} ]"})[kind]

    def test_a_mistake_is_named(self):
        came_to = self.evaluate("hosts", *(f"{{ {ON} {module} }}" for module, _ in WRONG))
        for (module, words), host in zip(WRONG, came_to):
            with self.subTest(module=module):
                message, = host["failed"]
                self.assertIn(words, message)

    def test_guidance_may_be_a_file(self):
        guidance = self.sandbox.write("guidance.md", "Be brief.\n")
        host, = self.evaluate("hosts", f"{{ {ON} programs.codex.context = {guidance}; }}")
        self.assertEqual((host["failed"], host["codex"]), ([], {"developer_instructions": "Be brief.\n"}))

    def test_a_server_takes_every_key(self):
        host, = self.evaluate("hosts", f"""{{ {ON} programs.codex.mcpServers.far = {{
          url = "https://mcp.example.org"; bearer_token_env_var = "TOKEN"; tools.search.approval_mode = "approve"; }}; }}""")
        self.assertEqual(host["codex"]["mcp_servers"]["far"], {
            "url": "https://mcp.example.org", "bearer_token_env_var": "TOKEN", "tools": {"search": {"approval_mode": "approve"}}})

    def test_profiles_that_nobody_looks_at(self):
        host, = self.evaluate("hosts", f"""{{ {ON} programs.agentvm.checkProfiles = false;
          programs.agentvm.profiles.mine.extends = "of-my-home"; programs.codex.settings.model = "m"; }}""")
        self.assertEqual(host["files"], ["agentvm/profiles/mine.toml", "codex/config.toml"])


if __name__ == "__main__":
    harness.main()
