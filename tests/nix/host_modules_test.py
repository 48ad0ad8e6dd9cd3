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
    ('services.agentvm.pools.Work.profile = "work";', "services.agentvm.pools.Work: a pool's name must be"),
    ("services.agentvm.pools.none = { };", 'services.agentvm.pools.none.profile is "none", which is no profile of this host: '),
    ("services.agentvm.pools.rust = { };", 'services.agentvm.pools.rust: the profile "rust" has no guest.image'),
    ('services.agentvm.pools.a.profile = "./a.toml";', "a path must be absolute"),
    ('services.agentvm.pools.work = { }; services.agentvm.metricsFile = "pools.prom";', "services.agentvm.metricsFile is"),
    ('services.agentvm.agents = [ "codex" "coodex" ];', "services.agentvm.agents names coodex, which"),
    ('services.agentvm.vms.a = { user = "u"; workspace = "x"; command = [ "y" ]; };', 'services.agentvm.vms.a.workspace is "x"'),
    ('services.agentvm.vms.a = { user = "u"; workspace = "/x"; };', "services.agentvm.vms.a must have either"),
    ('services.agentvm.vms.a_b = { user = "u"; workspace = "/x"; prompt = "p"; };', "a VM's name must be"),
    ('services.agentvm.bridge.subnet = "8.8.8.0/24";', "services.agentvm.bridge.subnet is"),
)
# Refused by an option's type.
IMPOSSIBLE = (("services.agentvm.pools.work.size = 1001;", "between 0 and 1000"), ('services.agentvm.pools.work.maxAge = "6 h";', "pattern"),
              ('services.agentvm.pools.work.memoryMax = "5";', "pattern"), ("services.agentvm.pools.work.cpuWeight = 0;", "between 1 and 10000"),
              ("services.agentvm.bootsAtOnce = 0;", "between 1 and 64"), ('services.agentvm.memoryPerUser = "much";', "pattern"))
ON = """programs.agentvm.enable = true; programs.codex.enable = true; services.agentvm.enable = true;
  services.agentvm.profiles.work = { extends = "rust"; guest.image = "/nix/store/x-agentvm-work"; };"""


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

    def test_what_no_pool_can_have(self):
        for module, words in IMPOSSIBLE:
            with self.subTest(module=module), self.assertRaises(nix.Refused) as refused:
                self.evaluate("hosts", f"{{ {ON} services.agentvm.pools.work = {{ }}; {module} }}")
            self.assertIn(words, str(refused.exception), module)

    def test_pools(self):
        """poold's file, its unit and their slice."""
        host, = self.evaluate("hosts", f"""{{ {ON} services.agentvm.profiles.more.extends = "work"; services.agentvm = {{
          users = [ "alice" ]; bootsAtOnce = 1; vmsPerUser = 4; memoryPerUser = "32GiB"; metricsFile = "/run/agentvm-pool/m.prom";
          slice.cpuWeight = 20;
          pools.work = {{ size = 3; maxAge = "6h"; memoryMax = "5GiB"; cpuWeight = 50; }}; pools.more = {{ }}; }}; }}""")
        self.assertEqual(host["failed"], [])
        self.assertEqual(host["pools"], {
            "boots_at_once": 1, "vms_per_user": 4, "memory_per_user": "32GiB", "pools": {
                "more": {"profile": "more", "size": 1},
                "work": {"profile": "work", "size": 3, "max_age": "6h", "memory_max": "5GiB", "cpu_weight": 50}}})
        self.assertRegex(host["pool"]["ExecStart"], r"\A/nix/store/\S+/libexec/agentvm/agentvm-poold --config /etc/agentvm/pools.toml "
                         r"--socket /run/agentvm-pool/pool.sock --group agentvm --cgroup --metrics /run/agentvm-pool/m.prom\Z")
        self.assertEqual((host["pool"]["Slice"], host["slice"], host["pool"]["ReadWritePaths"]), ("agentvm.slice", {"CPUWeight": 20}, []))

    def test_a_vm_with_words_that_systemd_would_change(self):
        host, = self.evaluate("hosts", f"""{{ {ON} services.agentvm.vms.a = {{
          user = "alice"; workspace = "/w"; pool = "work"; prompt = "100% of $HOME"; restart = "always"; }}; }}""")
        unit = host["vms"]["agentvm-vm-a"]
        self.assertEqual(unit["unitConfig"]["ConditionUser"], "alice")
        self.assertRegex(unit["serviceConfig"]["ExecStart"], r'"run" "--name" "a" "--profile" "default" "--pool" "work" '
                         r'"-p" "100%% of \$\$HOME" "/w"\Z')

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
        self.assertEqual(host["files"], ["agentvm/profiles/mine.toml", "agentvm/profiles/work.toml", "codex/config.toml"])


if __name__ == "__main__":
    harness.main()
